"""Answers in GraphQL as plain rows, whether they have names or numbers for the codes."""

from collections.abc import Mapping
from typing import Any

from gateway.regulation.codes import Code, FeeCategory, UsageMode, UserType

COUNTS = (
    *("fullPriceCount", "regulatoryCount", "internalFreeCount"),
    *("trialCount", "newCount", "endedCount"),
)


def user_row(node: Mapping[str, Any], product: str = "product") -> list[Any]:
    """Return a user's eleven fields; an open end is None. `product` is the name of the field."""
    end = node["endDate"]
    return [
        node["userId"],
        node["userName"],
        _number(UserType, node["userType"]),
        node["startDate"],
        None if end == "infinity" else end,
        node[product]["name"],
        _number(UsageMode, node["usageMode"]),
        node["contact"],
        node["address"],
        node["phone"],
        _number(FeeCategory, node["feeCategory"]),
    ]


def _number(codes: type[Code], value: str | int) -> int:
    return codes[value].value if isinstance(value, str) else codes(value).value


def figure_row(vendor: str, product: str, month: str, row: Mapping[str, Any]) -> list[Any]:
    """Return a month's figures; the month as YYYY-MM."""
    return [vendor, product, month[:7], *(row[name] for name in COUNTS)]
