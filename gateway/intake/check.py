"""Checking a file with no database: `gateway check`."""

from collections.abc import Callable

from gateway.intake.problems import BadLine
from gateway.intake.sources import FileSource
from gateway.intake.validate import Validator
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010


def check(
    source: FileSource,
    report: Callable[[BadLine], None],
    report_format: ReportFormat = SZSE_2010,
) -> Validator:
    """Validate all lines, reporting the bad ones in order; return the finished validator."""
    validator = Validator(report_format=report_format)
    for block in source.blocks():
        for bad in validator.check(block).bad:
            report(bad)
    if (whole := validator.finish()) is not None:
        report(whole)
    return validator
