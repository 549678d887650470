"""docs/findings.md has every rule and every threshold as they are."""

import re
from pathlib import Path

from gateway.findings.book import RULES, THRESHOLDS
from gateway.findings.calendar import MOST_MONTHS

TEXT = (Path(__file__).parents[2] / "docs/findings.md").read_text(encoding="utf-8")


def test_the_documented_rules_are_the_rules() -> None:
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([A-Z]+) \|", TEXT, re.MULTILINE)
    assert rows == [(code.value, rule.severity.name) for code, rule in RULES.items()]
    assert f"at most {MOST_MONTHS} months" in TEXT


def test_the_documented_thresholds_are_those_of_the_package() -> None:
    rows = re.findall(r"^\| `([A-Z_]+\.[a-z_]+)` \| ([0-9.]+) \|", TEXT, re.MULTILINE)
    assert dict(rows) == {".".join(name): str(value) for name, value in THRESHOLDS.items()}
