"""The composition root: settings -> database -> services."""
