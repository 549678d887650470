"""What an operation costs, and how much of that each tenant may spend."""
