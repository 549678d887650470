"""Report formats: a data company's own layouts, each declared in one TOML file."""
