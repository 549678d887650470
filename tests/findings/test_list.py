"""The list of findings as a whole: order, pages, months, time, what is refused, and who may ask."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cases import OVERLAPPING_TRIALS, PHONE, REUSED_ID, SHARED_PHONE, UNLICENSED_USAGE_MODE
from graphing import calling, statements
from market import BASIC, ENHANCED, FOREIGN, found, key, load
from raising import (
    FINDINGS,
    FOR_EVER,
    Case,
    asked,
    bring,
    license_vendor,
    raised,
    service,
    settle,
    shown,
    threshold,
    told,
)

from gateway.app.house import House
from gateway.config.clock import today
from gateway.errors import BadInput
from gateway.findings.book import RULES, THRESHOLDS
from gateway.findings.calendar import MOST_MONTHS
from gateway.findings.rule import Severity
from gateway.findings.thresholds import packaged, read
from gateway.regulation.codes import UsageMode
from gateway.regulation.months import Month
from gateway.tenancy.principal import Role

MIXED = Case(
    "",
    [
        *UNLICENSED_USAGE_MODE.roster,
        *(one for one in REUSED_ID.roster if one.product == ENHANCED and one.user_id == "a"),
        *SHARED_PHONE.roster,
    ],
    [],
    [],
    modes=UNLICENSED_USAGE_MODE.modes,
)
MIXED.roster[:] = {one.key(): one for one in MIXED.roster}.values()
SPAN = {"from": "2024-01", "to": "2024-03"}


def place(node: dict[str, Any]) -> tuple[Any, ...]:
    codes = [rule.value for rule in RULES]
    return (
        *(-int(node["month"].replace("-", "")), -Severity[node["severity"]]),
        *(node["vendor"]["code"], node["product"]["name"]),
        *(codes.index(node["rule"]["code"]), node["subject"] or ""),
    )


@pytest.fixture
async def mixed(house: House, tmp_path: Path) -> House:
    """Two vendors whose rosters raise several rules."""
    await found(house, "A", "B")
    for vendor in ("A", "B"):
        await settle(house, tmp_path, MIXED, vendor)
    return house


async def test_the_order_and_the_pages(mixed: House) -> None:
    nodes = await raised(mixed, None, first=1000, **SPAN)
    assert len({node["rule"]["code"] for node in nodes}) >= 3
    assert {node["vendor"]["code"] for node in nodes} == {"A", "B"}
    places = [place(node) for node in nodes]
    assert places == sorted(set(places))
    async with calling(mixed) as caller:
        paged: list[Any] = []
        after = None
        while after or not paged:
            page = (await caller.ask(FINDINGS, first=3, after=after, **SPAN))["findings"]
            assert page["totalCount"] == len(nodes)
            paged += page["nodes"]
            after = page["pageInfo"]["endCursor"] if page["pageInfo"]["hasNextPage"] else None
    assert paged == nodes


async def test_rules_severities_vendors_and_products(mixed: House) -> None:
    nodes = await raised(mixed, None, first=1000, **SPAN)
    for name, of in (
        ("rules", lambda node: node["rule"]["code"]),
        ("severities", lambda node: node["severity"]),
        ("vendors", lambda node: node["vendor"]["code"]),
        ("products", lambda node: node["product"]["name"]),
    ):
        for value in sorted({of(node) for node in nodes}):
            picked = await raised(mixed, None, first=1000, **{name: [value]}, **SPAN)
            assert picked == [node for node in nodes if of(node) == value]
    assert not await raised(mixed, None, rules=["SHARED_PHONE"], severities=["HIGH"], **SPAN)


async def test_one_statement_and_no_count_unless_it_is_asked_for(mixed: House) -> None:
    query = '{ findings(from: "2024-01", to: "2024-03") { nodes { message evidence { nodes { id } } } } }'
    async with calling(mixed, vendor="A") as caller:
        with statements(mixed) as seen:
            answer = await caller.post(query)
    assert len(seen) == 1
    assert answer.headers["gateway-execution"] == "executor; reason=field"


async def test_what_was_known_then(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await settle(house, tmp_path, SHARED_PHONE)
    then = datetime.now(UTC).isoformat()
    before = await raised(house, "A", **SHARED_PHONE.asks())
    await load(house, "A", [service("x", "2024-01-01").line()], tmp_path)
    assert await raised(house, "A", **SHARED_PHONE.asks()) == []
    assert before
    assert await raised(house, "A", asOf=then, **SHARED_PHONE.asks()) == before


@pytest.mark.parametrize("case", [UNLICENSED_USAGE_MODE, OVERLAPPING_TRIALS, REUSED_ID])
async def test_each_rule_knows_the_past(house: House, tmp_path: Path, case: Case) -> None:
    await found(house, "A")
    await settle(house, tmp_path, case)
    then = datetime.now(UTC).isoformat()
    await load(house, "A", [service("x", "2024-01-01").line()], tmp_path)
    nodes = await raised(house, "A", asOf=then, **case.asks())
    assert [told(node) for node in nodes] == case.found
    assert [shown(node) for node in nodes] == [sorted(one) for one in case.evidence]


async def test_by_default_three_months_to_the_current_one(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await license_vendor(house, "A", FOR_EVER, (UsageMode.DATAFEED,))
    await load(house, "A", [service("a", "2020-01-01").line()], tmp_path)
    current = Month.of(today())
    nodes = await raised(house, "A")
    assert [node["month"] for node in nodes] == [str(current.plus(-i)) for i in range(3)]
    nodes = await raised(house, "A", **{"from": str(current.plus(-1)), "to": "2999-12"})
    assert len(nodes) == 2
    assert await raised(house, "A", **{"from": "2999-01", "to": "2999-02"}) == []
    assert await raised(house, "A", **{"from": "2024-02", "to": "2024-01"}) == []
    assert len(await raised(house, "A", **{"from": str(current.plus(1 - MOST_MONTHS))})) == 13


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ('from: "2020-01", to: "2021-02"', "from"),
        ("rules: []", "rules"),
        ("severities: []", "severities"),
        ('vendors: ["B"]', "vendors"),
        ('products: ["?"]', "products"),
        ("first: 1001", "first"),
        ('after: "x"', "after"),
        ('asOf: "2999-01-01T00:00:00Z"', "asOf"),
    ],
)
async def test_what_is_refused(house: House, arguments: str, argument: str) -> None:
    await found(house, "A", "B")
    async with calling(house, vendor="A") as caller:
        error = await caller.refused(f"{{ findings({arguments}) {{ nodes {{ month }} }} }}")
        assert error["extensions"]["argument"] == argument
        inside = "{ findings { nodes { evidence(first: 1001) { totalCount } } } }"
        error = await caller.refused(inside)
        assert error["extensions"]["argument"] == "evidence.first"


async def test_another_licensors_rows_do_not_count(house: House, tmp_path: Path) -> None:
    """A phone under five IDs of one product, and one more of each other product."""
    await found(house, "A")
    mine = [service(f"u{i}", "2024-01-15", phone=PHONE) for i in range(5)]
    others = [
        service("u5", "2024-01-15", phone=PHONE, product=product) for product in (FOREIGN, BASIC)
    ]
    await bring(house, "A", [*mine, *others], tmp_path)
    for vendor in (None, "A"):
        assert await raised(house, vendor, **SHARED_PHONE.asks()) == []


async def test_a_licensors_thresholds_are_its_products(house: House, tmp_path: Path) -> None:
    await found(house, "A", "B")
    for vendor in ("A", "B"):
        lines = [
            service(f"{product[:2]}{i}", "2024-01-15", phone=PHONE, product=product)
            for product in (ENHANCED, BASIC, FOREIGN)
            for i in range(3)
        ]
        await bring(house, vendor, lines, tmp_path)
    asks = {**SHARED_PHONE.asks(), "to": "2024-01"}

    async def products(vendor: str | None) -> list[str]:
        return [node["product"]["name"] for node in await raised(house, vendor, **asks)]

    assert await products("A") == []
    assert await threshold(house, "SHARED_PHONE", "base", "2", licensor="HKEX")
    assert not await threshold(house, "SHARED_PHONE", "base", "2", licensor="HKEX")
    assert await products("A") == [FOREIGN]
    assert await products(None) == []
    assert await threshold(house, "SHARED_PHONE", "base", "2", product=BASIC)
    assert await products(None) == [BASIC, BASIC]
    assert sorted(await products("A")) == sorted([FOREIGN, BASIC])
    rules = "{ findingRules { code thresholds { name value overrides { product value } } } }"
    for vendor, seen in ((None, [BASIC]), ("A", [FOREIGN, BASIC])):
        async with calling(house, vendor=vendor) as caller:
            told_rules = (await caller.ask(rules))["findingRules"]
        assert [rule["code"] for rule in told_rules] == [code.value for code in RULES]
        found_set = {
            (rule["code"], one["name"]): one["overrides"]
            for rule in told_rules
            for one in rule["thresholds"]
            if one["overrides"]
        }
        wanted = [{"product": product, "value": "2"} for product in sorted(seen)]
        assert found_set == {("SHARED_PHONE", "base"): wanted}
        values = {
            (rule["code"], one["name"]): one["value"]
            for rule in told_rules
            for one in rule["thresholds"]
        }
        assert values == {name: str(value) for name, value in THRESHOLDS.items()}
    assert await threshold(house, "SHARED_PHONE", "base", None, product=BASIC)
    assert await products(None) == []


@pytest.mark.parametrize(
    ("old", "new", "argument"),
    [
        ("[TREND_JUMP]", "[TREND_JUMP", "thresholds.toml"),
        ("[SHARED_PHONE]\nbase = 5", "[SHARED_PHONE]", "SHARED_PHONE.base"),
        ("[SHARED_PHONE]\nbase = 5", "[SHARED_PHONE]\nbase = 5\nmore = 1", "SHARED_PHONE.more"),
        ("[SHARED_PHONE]\nbase = 5", "[SHARED_PHONE]\nbase = -1", "SHARED_PHONE.base"),
        ("[SHARED_PHONE]\nbase = 5", "[SHARED_PHONE]\nbase = 5.5", "SHARED_PHONE.base"),
        ("[SHARED_PHONE]\nbase = 5", '[SHARED_PHONE]\nbase = "5"', "SHARED_PHONE.base"),
        ("[SHARED_PHONE]\nbase = 5", "[SHARED_PHONE]\nbase = true", "SHARED_PHONE.base"),
        ("share = 0.001", "share = 0.00001", "SHARED_NAME.share"),
        ("share = 0.001", "share = nan", "SHARED_NAME.share"),
        ("share = 0.001", "share = 1.1", "SHARED_NAME.share"),
    ],
)
def test_thresholds_are_checked(old: str, new: str, argument: str) -> None:
    text = packaged()
    assert text.count(old) == 1
    assert read(text, RULES.values()) == THRESHOLDS
    with pytest.raises(BadInput) as refused:
        read(text.replace(old, new), RULES.values())
    assert refused.value.argument == argument


@pytest.mark.parametrize(
    ("rule", "name", "value"),
    [
        ("SHARED_PHONE", "base", "1.5"),
        ("SHARED_PHONE", "share", "2"),
        ("SHARED_PHONE", "quota", "1"),
        ("REUSED_ID", "base", "1"),
    ],
)
async def test_a_threshold_that_is_none_changes_nothing(
    house: House, rule: str, name: str, value: str
) -> None:
    await found(house, "A")
    with pytest.raises(BadInput):
        await threshold(house, rule, name, value)
    with pytest.raises(BadInput):
        await threshold(house, "SHARED_PHONE", "base", "1", product=FOREIGN)
    query = "{ findingRules { thresholds { overrides { product } } } }"
    async with calling(house) as caller:
        rules = (await caller.ask(query))["findingRules"]
    assert not [one for rule in rules for one in rule["thresholds"] if one["overrides"]]


async def test_a_portals_key_sees_findings_and_downloads_none(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await settle(house, tmp_path, SHARED_PHONE)
    text = await key(house, vendor="A", role=Role.VENDOR_PORTAL)
    async with calling(house, vendor="A") as caller:
        caller.key = text
        assert await asked(caller, **SHARED_PHONE.asks())
        error = await caller.refused(
            '{ findings(from: "2024-01", to: "2024-01") '
            "{ nodes { evidence { download { url } } } } }"
        )
    assert error["extensions"]["code"] == "NOT_FOUND"
