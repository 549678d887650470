"""Exchanges, interface specifications, licences: filters, pages, ids, products and vendors."""

from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from graphing import Caller, calling, statements
from market import BASIC, ENHANCED, found, key

from gateway.app.ask import ask
from gateway.app.house import House
from gateway.catalogue import loading, registry
from gateway.catalogue.loading import built_in
from gateway.catalogue.reader import read_listing
from gateway.regulation.codes import UsageMode
from gateway.schema.ids import GlobalId
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

LISTING = read_listing(built_in())
NEW = """
[[interface_specs]]
key = "SSE-IS101-CV1.62"
exchange = "SSE"
code = "IS101"
title = "IS101 竞价撮合平台 新版"
protocols = ["BINARY"]
purpose = "TRADING"
version = "CV1.62"
date = 2023-01-09
address = "https://example.com/IS101_CV1.62.pdf"
supersedes = "SSE-IS101-CV1.61"

[[products]]
name = "增强行情"
licensor = "SZSEINFO"
exchange = "SZSE"
interface_specs = ["SZSE-MULTICAST-1.00", "SSE-IS101-CV1.61"]
"""
ALL = [*(one.key for one in LISTING.specs), "SSE-IS101-CV1.62"]
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"


@pytest.fixture
async def market(house: House) -> House:
    """Two vendors' licences, and a specification of two editions by which a product comes."""
    await found(house, "ALPHA", "BETA")
    async with open_operator(house.operator, "test") as session:
        await loading.load(session, built_in(), "builtin.toml")
        await loading.load(session, NEW.encode(), "new.toml")
        for vendor, product, start, end, modes in (
            ("ALPHA", ENHANCED, date(2024, 1, 1), date(2024, 12, 31), [UsageMode.WEB]),
            ("ALPHA", ENHANCED, date(2025, 1, 1), None, [UsageMode.DATAFEED, UsageMode.WEB]),
            ("ALPHA", BASIC, date(2024, 6, 1), None, [UsageMode.TERMINAL]),
        ):
            await registry.add_licence(session, vendor, product, start, end, modes)
        await registry.add_licence(session, "BETA", BASIC, date(2020, 1, 1), date(2024, 6, 1))
    return house


@pytest.fixture
async def company(market: House) -> AsyncIterator[Caller]:
    async with calling(market) as caller:
        yield caller


async def keys_of(caller: Caller, **conditions: Any) -> list[str]:
    """The keys of the editions that meet conditions; totalCount is their number."""
    declared = {
        "search": "String", "exchanges": "[String!]", "codes": "[String!]", "keys": "[String!]",
        "protocols": "[Protocol!]", "purposes": "[Purpose!]", "current": "Boolean",
    }  # fmt: skip
    head = ", ".join(f"${name}: {declared[name]}" for name in conditions)
    given = "".join(f", {name}: ${name}" for name in conditions)
    query = (
        f"query {f'({head})' if head else ''} "
        f"{{ interfaceSpecs(first: 1000{given}) {{ totalCount nodes {{ key }} }} }}"
    )
    data = (await caller.ask(query, **conditions))["interfaceSpecs"]
    assert data["totalCount"] == len(data["nodes"])
    return [node["key"] for node in data["nodes"]]


async def test_every_filter_of_specifications(company: Caller) -> None:
    assert await keys_of(company) == sorted(ALL)
    by_key = {one.key: one for one in read_listing(built_in() + NEW.encode()).specs}
    for exchange in ("SSE", "SZSE", "SSEINFO", "HKEX", "BSE", "JPX", "SZSEINFO", "sse", ""):
        expected = sorted(key for key, one in by_key.items() if one.exchange == exchange)
        assert await keys_of(company, exchanges=[exchange]) == expected
    for code in ("IS101", "IS120", "IS122", "LDDS", "OMD-C", "is101"):
        expected = sorted(key for key, one in by_key.items() if one.code == code)
        assert await keys_of(company, codes=[code]) == expected
    assert len(await keys_of(company, codes=["IS122"])) == 3
    for name in ("STEP", "BINARY", "MULTICAST", "CSV", "WEB_API", "FILE_EXCHANGE", "FAST"):
        having = (k for k, one in by_key.items() if name in {p.name for p in one.protocols})
        assert await keys_of(company, protocols=[name]) == sorted(having)
    for name in ("TRADING", "MARKET_DATA", "STATIC", "HISTORICAL", "REFERENCE"):
        having = (key for key, one in by_key.items() if one.purpose.name == name)
        assert await keys_of(company, purposes=[name]) == sorted(having)
    assert await keys_of(company, exchanges=["SZSE", "JPX"], purposes=["MARKET_DATA"]) == [
        "JPX-DELAYED-API",
        "SZSE-BINARY-MARKET-DATA-1.12",
        "SZSE-MULTICAST-1.00",
    ]
    for empty in ("exchanges", "codes", "keys", "protocols", "purposes"):
        assert await keys_of(company, **{empty: []}) == []
        assert await keys_of(company, **{empty: None}) == sorted(ALL)
    assert await keys_of(company, keys=["HKEX-OMD-D", "NONE"]) == ["HKEX-OMD-D"]


async def test_a_search_is_a_beginning_or_a_part_of_the_title(company: Caller) -> None:
    assert await keys_of(company, search="is105") == ["SSE-IS105-CV1.51"]
    assert await keys_of(company, search="szse-b") == [
        "SZSE-BINARY-MARKET-DATA-1.12",
        "SZSE-BINARY-TRADING-1.26",
    ]
    assert "SSEINFO-LDDS-LEVEL2-2.0.8" in await keys_of(company, search="level-2行情")
    assert await keys_of(company, search="%") == []
    assert await keys_of(company, search="") == sorted(ALL)


async def test_the_current_and_the_earlier_editions_are_told_apart(company: Caller) -> None:
    assert await keys_of(company, current=False) == ["SSE-IS101-CV1.61"]
    assert await keys_of(company, current=True) == sorted(set(ALL) - {"SSE-IS101-CV1.61"})
    assert await keys_of(company, codes=["IS101"], current=True) == ["SSE-IS101-CV1.62"]
    data = await company.ask(
        '{ interfaceSpecs(codes: ["IS101"]) { nodes { version date isCurrent protocols exchange '
        "{ code shortName } supersedes { version isCurrent supersededBy { version } } "
        "supersededBy { version } } } }"
    )
    sse = {"code": "SSE", "shortName": "上交所"}
    assert data["interfaceSpecs"]["nodes"] == [
        {
            "version": "CV1.61",
            "date": "2022-10-20",
            "isCurrent": False,
            "protocols": [],
            "exchange": sse,
            "supersedes": None,
            "supersededBy": {"version": "CV1.62"},
        },
        {
            "version": "CV1.62",
            "date": "2023-01-09",
            "isCurrent": True,
            "protocols": ["BINARY"],
            "exchange": sse,
            "supersededBy": None,
            "supersedes": {
                "version": "CV1.61",
                "isCurrent": False,
                "supersededBy": {"version": "CV1.62"},
            },
        },
    ]


async def test_exchanges(company: Caller) -> None:
    async def codes(arguments: str) -> list[str]:
        data = await company.ask(f"{{ exchanges{arguments} {{ totalCount nodes {{ code }} }} }}")
        assert data["exchanges"]["totalCount"] == len(data["exchanges"]["nodes"])
        return [node["code"] for node in data["exchanges"]["nodes"]]

    assert await codes("") == ["BSE", "HKEX", "JPX", "SSE", "SSEINFO", "SZSE", "SZSEINFO"]
    assert await codes("(kinds: [DATA_COMPANY])") == ["SSEINFO", "SZSEINFO"]
    assert await codes('(codes: ["JPX", "NONE", "BSE"])') == ["BSE", "JPX"]
    assert await codes('(search: "深交所")') == ["SZSE"]
    assert await codes('(search: "深圳")') == ["SZSE", "SZSEINFO"]
    assert await codes('(search: "ss")') == ["SSE", "SSEINFO"]
    data = await company.ask(
        '{ exchanges(codes: ["SZSE"]) { nodes { name shortName kind pages { title address } } } }'
    )
    (szse,) = data["exchanges"]["nodes"]
    assert (szse["name"], szse["shortName"], szse["kind"]) == (
        *("深圳证券交易所", "深交所", "EXCHANGE"),
    )
    assert [page["title"] for page in szse["pages"]] == ["技术公告", "数据接口"]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("exchanges", "code"), ("interfaceSpecs", "key"), ("licences", "id")],
)
@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_pages_neither_repeat_nor_skip(
    company: Caller, kind: str, field: str, size: int
) -> None:
    whole = await company.ask(f"{{ {kind}(first: 1000) {{ totalCount nodes {{ {field} }} }} }}")
    expected = [node[field] for node in whole[kind]["nodes"]]
    assert len(expected) == whole[kind]["totalCount"] > 3
    for way, side, end, more in (
        ("first", "after", "endCursor", "hasNextPage"),
        ("last", "before", "startCursor", "hasPreviousPage"),
    ):
        query = (
            f"query ($at: String) {{ {kind}({way}: {size}, {side}: $at) "
            f"{{ {PAGE} edges {{ cursor }} nodes {{ {field} }} }} }}"
        )
        walked: list[str] = []
        cursor = None
        while True:
            page = (await company.ask(query, at=cursor))[kind]
            nodes = [node[field] for node in page["nodes"]]
            walked = [*walked, *nodes] if way == "first" else [*nodes, *walked]
            cursor = page["pageInfo"][end]
            if not page["pageInfo"][more]:
                break
        assert walked == expected
    error = await company.refused(f'{{ {kind}(after: "W1siWCJdLFsxXV0") {{ totalCount }} }}')
    assert error["extensions"]["code"] == "BAD_USER_INPUT"


LICENCES = [
    ("ALPHA", BASIC, "2024-06-01", None, ["TERMINAL"]),
    ("ALPHA", ENHANCED, "2024-01-01", "2024-12-31", ["WEB"]),
    ("ALPHA", ENHANCED, "2025-01-01", None, ["WEB", "DATAFEED"]),
    ("BETA", BASIC, "2020-01-01", "2024-06-01", ["WEB", "TERMINAL", "DATAFEED"]),
]
VENDORS = "{ vendors { nodes { licences { INNER } } } }"
LICENCE = "vendor { code } product { name } validFrom validTo usageModes"


def flat(node: dict[str, Any]) -> tuple[Any, ...]:
    return (
        *(node["vendor"]["code"], node["product"]["name"]),
        *(node["validFrom"], node["validTo"], node["usageModes"]),
    )


@pytest.mark.parametrize(
    ("arguments", "chosen"),
    [
        ("", [0, 1, 2, 3]),
        ('(vendors: ["BETA"])', [3]),
        ('(vendors: ["ALPHA"], products: ["增强行情"])', [1, 2]),
        ('(validOn: "2024-01-01")', [1, 3]),
        ('(validOn: "2024-06-01")', [0, 1, 3]),
        ('(validOn: "2024-06-02")', [0, 1]),
        ('(validOn: "2024-12-31")', [0, 1]),
        ('(validOn: "9999-12-31")', [0, 2]),
        ('(validOn: "0001-01-01")', []),
        ("(usageModes: [TERMINAL])", [0, 3]),
        ("(usageModes: [DATAFEED, TERMINAL])", [0, 2, 3]),
        ("(usageModes: [])", []),
        ('(usageModes: [WEB], validOn: "2025-06-01")', [2]),
    ],
)
async def test_every_filter_of_licences(company: Caller, arguments: str, chosen: list[int]) -> None:
    data = await company.ask(f"{{ licences{arguments} {{ totalCount nodes {{ {LICENCE} }} }} }}")
    assert [flat(node) for node in data["licences"]["nodes"]] == [LICENCES[i] for i in chosen]
    assert data["licences"]["totalCount"] == len(chosen)


async def test_vendors_show_their_licences_by_one_more_statement(
    company: Caller, market: House
) -> None:
    query = (
        f"{{ vendors {{ nodes {{ code licences {{ {LICENCE} }} "
        'now: licences(validOn: "2025-03-01") { validFrom } } } }'
    )
    with statements(market) as seen:
        data = await company.ask(query)
    asked = [one for one in seen if "json" in one]
    assert len(asked) == 3  # the vendors, all licences, those in force
    alpha, beta = data["vendors"]["nodes"]
    assert [flat(node) for node in alpha["licences"]] == LICENCES[:3]
    assert [flat(node) for node in beta["licences"]] == LICENCES[3:]
    assert [node["validFrom"] for node in alpha["now"]] == ["2024-06-01", "2025-01-01"]
    assert beta["now"] == []


async def test_licences_do_not_nest_without_end(company: Caller) -> None:
    """Each level would multiply the answer by the licences of a vendor."""
    inner = "vendor { licences { validTo } }"
    for once in (f"{{ licences {{ nodes {{ {inner} }} }} }}", VENDORS.replace("INNER", inner)):
        assert await company.ask(once)
    for more in (
        f"{{ licences {{ nodes {{ vendor {{ a: licences {{ {inner} }} }} }} }} }}",
        VENDORS.replace("INNER", f"vendor {{ a: licences {{ {inner} }} }}"),
    ):
        errors = (await company.post(more)).json()["errors"]
        assert {one["extensions"]["code"] for one in errors} == {"BAD_USER_INPUT"}
        assert {one["extensions"]["argument"] for one in errors} == {"licences"}


async def test_products_show_their_interfaces(company: Caller, market: House) -> None:
    query = """{ products { nodes { name exchange { code } interfaceSpecs { key isCurrent }
        now: interfaceSpecs(current: true) { key } then: interfaceSpecs(current: false) { key } } } }"""
    with statements(market) as seen:
        data = await company.ask(query)
    assert len([one for one in seen if "json" in one]) == 5
    basic, enhanced = data["products"]["nodes"]
    assert basic == {
        "name": BASIC,
        "exchange": None,
        "interfaceSpecs": [],
        "now": [],
        "then": [],
    }
    # the link was made to the earlier edition; the one that supersedes it belongs to it
    assert enhanced["exchange"] == {"code": "SZSE"}
    assert enhanced["interfaceSpecs"] == [
        {"key": "SSE-IS101-CV1.61", "isCurrent": False},
        {"key": "SSE-IS101-CV1.62", "isCurrent": True},
        {"key": "SZSE-MULTICAST-1.00", "isCurrent": True},
    ]
    assert [one["key"] for one in enhanced["now"]] == ["SSE-IS101-CV1.62", "SZSE-MULTICAST-1.00"]
    assert [one["key"] for one in enhanced["then"]] == ["SSE-IS101-CV1.61"]


async def test_ids_lead_back(company: Caller) -> None:
    data = await company.ask(
        "{ licences { nodes { id } } exchanges { nodes { id } } interfaceSpecs { nodes { id } } }"
    )
    for kind, name in (
        ("licences", "Licence"),
        ("exchanges", "Exchange"),
        ("interfaceSpecs", "InterfaceSpec"),
    ):
        for node in data[kind]["nodes"]:
            again = await company.ask(
                "query ($id: ID!) { node(id: $id) { id __typename } }", id=node["id"]
            )
            assert again["node"] == {"id": node["id"], "__typename": name}


async def test_ids_of_nothing_lead_nowhere(company: Caller) -> None:
    for parts in (
        ["Exchange", "NONE"], ["Exchange", "\0"], ["Exchange", ""], ["Exchange", 1],
        ["InterfaceSpec", "NONE"], ["InterfaceSpec", "x" * 1000], ["InterfaceSpec"],
        ["Licence", "ALPHA", BASIC, "2024-06-02"], ["Licence", "ALPHA", BASIC, "20240601"],
        ["Licence", "NOBODY", BASIC, "2024-06-01"], ["Licence", "ALPHA", "x", "2024-06-01"],
        ["Licence", "ALPHA", BASIC, "x"], ["Licence", "ALPHA", BASIC],
    ):  # fmt: skip
        data = await company.ask(
            "query ($id: ID!) { node(id: $id) { id } }",
            id=str(GlobalId(parts[0], tuple(parts[1:]))),
        )
        assert data == {"node": None}, parts


async def test_the_command_line_asks_alike(market: House, company: Caller) -> None:
    query = f"{{ vendors {{ nodes {{ licences {{ {LICENCE} }} }} }} }}"
    text = await key(market, role=Role.LICENSOR_ANALYST)
    assert (await ask(market, text, query, "{}"))["data"] == await company.ask(query)


async def test_documents_with_such_fields_go_to_the_executor(company: Caller) -> None:
    for query, expected in (
        ("{ vendors { nodes { code } } }", "compiled"),
        ("{ vendors { nodes { code licences { validTo } } } }", "executor; reason=field"),
        ("{ exchanges { totalCount } }", "executor; reason=field"),
    ):
        for _ in range(2):
            answer = await company.post(query)
            assert answer.headers["gateway-execution"] == expected
            assert "errors" not in answer.json()
