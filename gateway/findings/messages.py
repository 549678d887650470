"""Findings in words."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from gateway.errors import Language
from gateway.findings.rule import Rule
from gateway.regulation.months import Month


def message(rule: Rule, row: Mapping[str, Any], language: Language) -> str:
    """Return a finding, given its values by name, as a sentence in a language."""
    month = Month.of(date.fromisoformat(row["month"]))
    text = rule.message_zh if language == "zh" else rule.message
    return text.format(
        month=month.label if language == "zh" else month,
        subject=row["subject"],
        first_day=row["first_day"],
        last_day=row["last_day"],
        **{name: _number(row[name]) for name in ("observed", "limit", "expected")},
    )


def _number(text: str | None) -> str:
    return "" if text is None else f"{Decimal(text):f}".removesuffix(".00")
