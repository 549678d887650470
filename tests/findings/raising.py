"""A vendor's roster and licences, written down, and the findings that are asked for."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zlib import crc32

from graphing import Caller, calling
from market import BASIC, ENHANCED, FOREIGN, load
from naive.counting import FULL_PRICE, INDIVIDUAL, TRIAL, WEB, Service

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.findings.registry import set_threshold
from gateway.regulation.codes import UsageMode
from gateway.tenancy.operator import open_operator

FINDING = """
    rule { code severity } severity vendor { code } product { name } month firstDay lastDay subject
    observed limit expected message messageZh
"""
EVIDENCE = "userId userName startDate usageMode"
FINDINGS = f"""
    query ($vendors: [String!], $products: [String!], $rules: [FindingRuleCode!],
           $severities: [FindingSeverity!], $from: Month, $to: Month, $first: Int, $after: String,
           $asOf: DateTime) {{
        findings(vendors: $vendors, products: $products, rules: $rules, severities: $severities,
                 from: $from, to: $to, first: $first, after: $after, asOf: $asOf) {{
            totalCount pageInfo {{ hasNextPage endCursor }}
            nodes {{ {FINDING} evidence(first: 100) {{ totalCount nodes {{ {EVIDENCE} }} }} }}
        }}
    }}
"""


def day(text: str) -> date:
    return date.fromisoformat(text)


def service(user: str, start: str, end: str | None = None, **other: Any) -> Service:
    """A service of an ID of its own person; what `other` names is otherwise."""
    plain = Service(
        user_id=user,
        user_name=f"名{user}",
        user_type=INDIVIDUAL,
        category=FULL_PRICE,
        start=day(start),
        end=None if end is None else day(end),
        product=ENHANCED,
        mode=WEB,
        address="0",
        contact="0",
        phone=f"1{crc32(user.encode()):010}",
    )
    return replace(plain, **other)


def crowd(number: int, start: str, end: str | None = None, **other: Any) -> list[Service]:
    """So many people, whose IDs begin with their first day."""
    return [service(f"{start}.{i:03}", start, end, **other) for i in range(number)]


def trial(user: str, start: str, end: str, **other: Any) -> Service:
    return service(user, start, end, category=TRIAL, **other)


Licences = Sequence[tuple[str, str, str | None]]
FOR_EVER: Licences = ((ENHANCED, "2000-01-01", None), (BASIC, "2000-01-01", None))


@dataclass
class Case:
    """A roster that a rule is raised by, and what is found: month, subject, observed, limit."""

    rule: str
    roster: list[Service]
    found: list[tuple[str, str | None, Any, Any]]
    evidence: list[list[tuple[str, str]]]
    """Of each finding: user ID and start of each service record."""
    licences: Licences = FOR_EVER
    modes: tuple[UsageMode, ...] | None = None
    thresholds: dict[str, str] = field(default_factory=dict)
    months: tuple[str, str] = ("2024-01", "2024-03")

    def asks(self) -> dict[str, Any]:
        return {"rules": [self.rule], "from": self.months[0], "to": self.months[1], "first": 1000}


async def license_vendor(
    house: House, vendor: str, licences: Licences, modes: Iterable[UsageMode] | None = None
) -> None:
    async with open_operator(house.operator, "test") as session:
        for product, start, end in licences:
            allowed = tuple(UsageMode if modes is None or product != ENHANCED else modes)
            until = None if end is None else day(end)
            await registry.add_licence(session, vendor, product, day(start), until, allowed)


async def threshold(
    house: House,
    rule: str,
    name: str,
    value: str | None,
    licensor: str = "SZSEINFO",
    product: str | None = None,
) -> bool:
    async with open_operator(house.operator, "test") as session:
        number = None if value is None else Decimal(value)
        return await set_threshold(session, rule, name, number, licensor=licensor, product=product)


async def settle(house: House, place: Path, case: Case, vendor: str = "A") -> None:
    """Have a vendor licensed and its roster imported, as the case has it."""
    await license_vendor(house, vendor, case.licences, case.modes)
    for name, value in case.thresholds.items():
        await threshold(house, case.rule, name, value)
    await bring(house, vendor, case.roster, place)


async def bring(house: House, vendor: str, roster: Sequence[Service], place: Path) -> None:
    """Import a file for each licensor."""
    for foreign in (True, False):
        lines = [one.line() for one in roster if (one.product == FOREIGN) is foreign]
        if lines:
            await load(house, vendor, lines, place)


async def asked(caller: Caller, **variables: Any) -> list[dict[str, Any]]:
    """Return the findings of an answer that holds them all."""
    page = (await caller.ask(FINDINGS, **variables))["findings"]
    assert not page["pageInfo"]["hasNextPage"]
    assert page["totalCount"] == len(page["nodes"])
    for node in page["nodes"]:
        assert node["evidence"]["totalCount"] == len(node["evidence"]["nodes"]) > 0
        assert node["rule"]["severity"] == node["severity"]
    nodes: list[dict[str, Any]] = page["nodes"]
    return nodes


async def raised(house: House, vendor: str | None = None, **variables: Any) -> list[dict[str, Any]]:
    async with calling(house, vendor=vendor) as caller:
        return await asked(caller, **variables)


def told(node: dict[str, Any]) -> tuple[str, str | None, str, str]:
    return node["month"], node["subject"], node["observed"], node["limit"]


def shown(node: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((one["userId"], one["startDate"]) for one in node["evidence"]["nodes"])


def after(first: date, days: int) -> str:
    return (first + timedelta(days=days)).isoformat()
