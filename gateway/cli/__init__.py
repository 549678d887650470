"""The command line: Typer commands, no logic."""

from gateway.cli.main import main

__all__ = ["main"]
