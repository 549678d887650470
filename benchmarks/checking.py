"""`gateway check`, against splitting lines and nothing else."""

from pathlib import Path

from benchmarks.floors import split_lines
from benchmarks.measure import ROUNDS, Line, Rounds, speeds
from gateway.intake.check import check
from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource


def measure_check(path: Path, rows: int) -> str:
    """Return the table of `check`."""
    rounds = Rounds()
    for _ in range(ROUNDS):
        with rounds.time("split"):
            split_lines(path)
        with rounds.time("check"):
            check(FileSource(path), refuse)
    lines = (
        Line("floor: split each line, nothing else", "split"),
        Line("check", "check", "split", "floor"),
    )
    return speeds("Check", rounds, rows, lines)


def refuse(bad: BadLine) -> None:
    """Stop at a bad line: there should be none."""
    raise AssertionError(bad.problems[0].text())
