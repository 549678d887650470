"""The book of rules: all of them, with the package's thresholds, which are checked here."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from gateway.errors import BadInput
from gateway.findings.rule import Rule, RuleCode, Severity
from gateway.findings.rules import (
    free_quota_exceeded,
    outside_licence_dates,
    overlapping_trials,
    reused_id,
    shared_name,
    shared_phone,
    trend_jump,
    unlicensed_product,
    unlicensed_usage_mode,
)
from gateway.findings.thresholds import packaged, read

_RULES = (
    unlicensed_product.RULE,
    outside_licence_dates.RULE,
    unlicensed_usage_mode.RULE,
    free_quota_exceeded.RULE,
    overlapping_trials.RULE,
    shared_phone.RULE,
    shared_name.RULE,
    reused_id.RULE,
    trend_jump.RULE,
)
RULES: Final[Mapping[RuleCode, Rule]] = MappingProxyType({one.code: one for one in _RULES})
THRESHOLDS: Final = read(packaged(), _RULES)


def picked(
    codes: Sequence[RuleCode] | None, severities: Sequence[Severity] | None
) -> tuple[Rule, ...]:
    """Return the rules of these codes and severities, by default all; BadInput for empty lists."""
    for given, name in ((codes, "rules"), (severities, "severities")):
        if given is not None and not given:
            raise BadInput(
                f"{name} is empty",
                f"{name}为空",
                argument=name,
                accepted=f"some of {', '.join(one.name for one in _choices(name))}, or no {name}",
            )
    return tuple(
        rule
        for rule in RULES.values()
        if (codes is None or rule.code in codes)
        and (severities is None or rule.severity in severities)
    )


def _choices(name: str) -> Sequence[RuleCode | Severity]:
    return tuple(RuleCode) if name == "rules" else tuple(Severity)


def default_of(rule: Rule, name: str) -> Decimal:
    """Return the package's value of a threshold."""
    return THRESHOLDS[rule.code.value, name]
