"""A deliberately naive reference for rule pack szse-2010, independent of the production code."""
