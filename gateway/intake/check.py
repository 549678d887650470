"""Checking a file with no database: `gateway check`."""

from collections.abc import Callable

from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator


def check(source: FileSource, report: Callable[[BadLine], None]) -> Validator:
    """Validate all lines, reporting the bad ones in order; return the finished validator."""
    validator = Validator()
    for block in source.blocks():
        for bad in validator.check(block).bad:
            report(bad)
    if (whole := validator.finish()) is not None:
        report(whole)
    return validator
