"""The command line: Typer commands, no logic."""

from gateway.config.signals import leave_when_told


def main() -> None:
    """Run the program."""
    leave_when_told()
    # imported only now: it takes so long that a signal may well come meanwhile
    from gateway.cli.program import program  # noqa: PLC0415
    from gateway.cli.run import to_the_end  # noqa: PLC0415

    to_the_end(program)


__all__ = ["main"]
