"""Personal data: in clear for whoever may see it and says what for, and masked for any other."""

import json
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from graphing import Caller, calling, key
from market import BASIC, ENHANCED, found, load
from starlette.types import ASGIApp
from test_accesses import logged
from test_embed_tokens import issued, registering, token_of
from test_schema_cases import AUDITED, CASES, all_told, documents_for
from worlds import ALPHA, SZSE, Principal, World, revealed, settled

from gateway.app.house import House
from gateway.app.server import application, routes
from gateway.db.embedded import EmbeddedPostgres
from gateway.records.personal import PERSONAL
from gateway.resolvers.query import build_schema
from gateway.tenancy.principal import Role

GRAPH = set(PERSONAL.values())
SHOWN = "userId userName contact address phone"
MASK = re.compile(r"(.\*\*|\*\*|\*{4}.{0,4})")


@pytest.fixture(scope="session")
async def persons(market: World) -> set[str]:
    """All that the market's rows, old ones too, say of persons."""
    admin = await asyncpg.connect(market.admin)
    try:
        rows = [
            row
            for table in ("service_records", "service_record_versions")
            for row in await admin.fetch(f"SELECT user_name, contact, address, phone FROM {table}")
        ]
    finally:
        await admin.close()
    found = {value for row in rows for value in row}
    assert len(found) > 40
    return found


@pytest.fixture(params=["compiled", "executor"])
async def masked(market: World, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    """The market as it answers requests that say no purpose, by either way."""
    if request.param == "compiled":
        yield replace(market, purpose=None)
    else:
        async with market.executing() as world:
            yield replace(world, purpose=None)


@pytest.mark.parametrize("field", [name for name in CASES if name not in AUDITED])
async def test_no_field_shows_a_person(masked: World, persons: set[str], field: str) -> None:
    """Whatever is asked, and in ids, cursors, downloads and errors too."""
    answered = 0
    for document in (await documents_for(SZSE, field, masked))[:8]:
        told = revealed(await all_told(masked, SZSE, document))
        own_words = {value for value in persons if value in document}
        assert not [value for value in persons - own_words if value in told]
        if '"errors"' in told:
            assert "Gateway-Purpose" in told
        else:
            answered += 1
    # one rule's evidence alone is asked for, and it is about names
    assert answered or field.startswith("Finding")


def hidden(value: Any, key: str = "") -> Any:
    """An answer with masks in the place of personal data: what of them a mask keeps is compared."""
    match value:
        case dict():
            changed = value.get("field") in GRAPH
            return {
                name: hidden(
                    one,
                    str(value["field"]) if changed and name in {"before", "after"} else name,
                )
                for name, one in value.items()
            }
        case list():
            return [hidden(one, key) for one in value]
        case str() if key in GRAPH:
            if key == "address":
                return "**"
            if key == "phone":
                return "****" + (value[-4:] if len(value) >= 8 else "")
            return value[0] + "**"
    return value


@pytest.mark.parametrize("who", [ALPHA, SZSE], ids=lambda who: who.code)
@pytest.mark.parametrize(
    "field",
    ["Query.users", "User.otherServices", "User.history", "MonthlyStat.users", "Query.changes"],
)
async def test_all_else_is_the_same(
    market: World, masked: World, field: str, who: Principal
) -> None:
    compared = 0
    for document in await documents_for(who, field, market):
        asked = re.sub(r"\b(delimited(\(.*?\))?|download(\(.*?\))? \{.*?\})", "", document)
        after = {"after": None, "before": None}
        sent = {name: None for name in after if f"${name}" in asked}
        clear = (await market.ask(who, asked, **sent)).json()
        answer = (await masked.ask(who, asked, **sent)).json()
        if "errors" not in answer:
            compared += 1
            assert answer["data"] == hidden(clear["data"])
    assert compared


REFUSED = [
    ('{ users(filter: {search: "x"}) { totalCount } }', "filter.search"),
    ('{ users(filter: {userName: {equals: "x"}}) { totalCount } }', "filter.userName"),
    ('{ users(filter: {userName: {startsWith: "x"}}) { totalCount } }', "filter.userName"),
    ('{ users(filter: {userName: {contains: "x"}}) { nodes { id } } }', "filter.userName"),
    ("{ users(orderBy: [{field: USER_ID}, {field: USER_NAME}]) { nodes { id } } }", "orderBy"),
    (
        "{ monthlyStats { nodes { users(orderBy: [{field: USER_NAME}]) { nodes { id } } } } }",
        "orderBy",
    ),
    (
        '{ monthlyStats { nodes { users(filter: {search: "x"}) { totalCount } } } }',
        "filter.search",
    ),
    ("{ findings { totalCount } }", "rules"),
    ("{ findings(rules: [SHARED_PHONE]) { totalCount } }", "rules"),
]


@pytest.mark.parametrize(("query", "argument"), REFUSED)
async def test_what_would_tell_is_refused(masked: World, query: str, argument: str) -> None:
    errors = await masked.errors(SZSE, query)
    assert {error["extensions"]["code"] for error in errors} == {"FORBIDDEN"}
    told = errors[0]["extensions"]
    assert told["argument"].endswith(argument)
    assert "Gateway-Purpose" in told["accepted"]


@pytest.mark.parametrize(
    "query",
    [
        '{ users(filter: {search: ""}) { totalCount } }',
        "{ users(filter: {userName: {}}) { totalCount } }",
        '{ users(filter: {userId: {startsWith: "szse"}}) { totalCount } }',
        "{ findings(rules: [REUSED_ID]) { totalCount } }",
    ],
)
async def test_what_tells_nothing_is_answered(masked: World, query: str) -> None:
    assert await masked.answer(SZSE, query)


@pytest.mark.parametrize(
    ("value", "status"),
    [
        *((b"", 400), (b"  ", 400), (b"x" * 201, 400), (b"\x07", 400), (b"\xb2\xe2\xca\xd4", 400)),
        *((b"x" * 200, 200), ("复核账单".encode(), 200)),
    ],
)
async def test_a_purpose_says_something(market: World, value: bytes, status: int) -> None:
    answer = await market.client.post(
        "/graphql",
        json={"query": "{ users(first: 1) { nodes { phone } } }"},
        headers=[
            (b"authorization", f"Bearer {ALPHA.key.text}".encode()),
            (b"gateway-purpose", value),
        ],
    )
    assert answer.status_code == status
    if status == 400:
        assert answer.json()["errors"][0]["extensions"]["argument"] == "Gateway-Purpose"


async def test_a_download_keeps_the_purpose_that_its_link_was_asked_for(
    market: World, persons: set[str]
) -> None:
    silent = replace(market, purpose=None)
    query = '{ users(vendors: ["VENDALPHA"]) { totalCount download { url } } }'
    count = (await market.answer(ALPHA, query))["users"]["totalCount"]
    clear = (await market.file(await market.link(ALPHA, query))).splitlines()[-count:]
    hidden_lines = (await market.file(await silent.link(ALPHA, query))).splitlines()[-count:]
    for line, mask in zip(clear, hidden_lines, strict=True):
        cells, masks = line.split("||"), mask.split("||")
        for place, (cell, seen) in enumerate(zip(cells, masks, strict=True)):
            assert (cell == seen) == (place not in {1, 8, 9, 10}), (cell, seen)
            assert place not in {1, 8, 9, 10} or (MASK.fullmatch(seen) and cell in persons)


@pytest.fixture
async def own(server: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[World]:
    async with settled(server, tmp_path, audit_seconds=0) as made:
        yield made


@pytest.fixture
async def front(own: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(application(own.house))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_a_token_shows_persons_by_its_own_purpose_only(
    own: World, front: httpx.AsyncClient, persons: set[str]
) -> None:
    key = (await issued(own, Role.VENDOR_PORTAL)).text
    document = f"{{ viewer {{ rights }} users {{ nodes {{ {SHOWN} }} }} }}"
    await registering(own, document)
    query = {"query": document}
    for purpose, said in ((None, None), (None, "because"), ("值班", None), ("值班", "because")):
        wanted = {} if purpose is None else {"purpose": purpose}
        token = await token_of(front, key, **wanted)
        headers = {"Authorization": f"Bearer {token}"}
        if said is not None:
            headers["Gateway-Purpose"] = said
        data = (await front.post("/graphql", json=query, headers=headers)).json()["data"]
        rights = data["viewer"]["rights"]
        assert ("READ_PERSONAL" in rights) == (purpose is not None)
        for node in data["users"]["nodes"]:
            assert all((node[name] in persons) == (purpose is not None) for name in GRAPH)
    told = await logged(own, "query")
    assert [one.get("purpose") for one in told] == [None, "because", "值班", "值班"]
    assert ["personal" in one for one in told] == [False, False, True, True]


@pytest.mark.parametrize("purpose", ["", "x" * 201, 3])
async def test_a_tokens_purpose_says_something(
    own: World, front: httpx.AsyncClient, purpose: Any
) -> None:
    key = (await issued(own, Role.VENDOR_PORTAL)).text
    answer = await front.post(
        "/embed/tokens", json={"purpose": purpose}, headers={"Authorization": f"Bearer {key}"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["argument"] == "purpose"


ROW = "{}||{}||{}||全价用户||20240101||0||{}||Web||{}||{}||{}"
NAMED = "query { users { nodes { userId userType userName contact address phone \
    history { userType userName } } } }"


async def test_masks_by_what_is_masked(house: House, tmp_path: Path) -> None:
    """Institutions, what is missing, short numbers, and a type that was wrong at first."""
    await found(house, "A")
    kinds = [
        ("u1", "欧阳询", "个人", "深圳市福田区", "李四", "13800001234"),
        ("u2", "南山研究所", "机构", "0", "0", "0"),
        ("u3", "0", "个人", "路", "五", "1234567"),
        ("u4", "王小明", "机构", "路", "五", "0"),
    ]
    lines = [ROW.format(*one[:3], ENHANCED, *one[3:]) for one in kinds]
    await load(house, "A", lines, tmp_path)
    await load(house, "A", [*lines[:3], lines[3].replace("机构", "个人")], tmp_path)
    async with calling(house, vendor="A") as caller:
        silent = replace(caller, purpose=None)
        nodes = (await silent.ask(NAMED))["users"]["nodes"]
        shown = [[node[name] for name in PERSONAL.values()] for node in nodes]
        assert shown == [
            ["欧**", "李**", "**", "****1234"],
            ["南山研究所", None, None, None],
            ["0", "五**", "**", "****"],
            ["王**", "五**", "**", None],
        ]
        assert [one["userName"] for one in nodes[3]["history"]] == ["王**", "王**"]
        changed = await silent.ask(
            '{ changes(vendor: "A", from: "2020-01-01T00:00:00Z", kinds: [CHANGED]) '
            "{ nodes { fields { field before after } before { userName } after { userName } } } }"
        )
        (node,) = changed["changes"]["nodes"]
        assert [one["field"] for one in node["fields"]] == ["userType"]
        assert node["before"] == node["after"] == {"userName": "王**"}


EARLIER = """query Earlier($at: DateTime!) {
  users(asOf: $at) {
    nodes { userId userType userName history { userName } otherServices { userName } }
    delimited
    download { url }
  }
  monthlyStats(asOf: $at, from: "2024-02", to: "2024-02") {
    nodes { users { nodes { userName } delimited download { url } } }
  }
  changes(vendor: "A", from: "2020-01-01T00:00:00Z") {
    nodes { kind fields { field before after } before { userName } after { userName } }
  }
}"""


HISTORIES = "{ users { nodes { userId userName history { userName } } } }"
CHANGED = """query Changed($of: [String!]) {
  changes(vendor: "A", from: "2020-01-01T00:00:00Z", products: $of) {
    nodes { before { userName } after { userName } batch { recordedAt } }
  }
}"""
NARROWED = """query Narrowed($at: DateTime, $of: [String!]) {
  monthlyStats(asOf: $at, products: $of, from: "2024-02", to: "2024-02") {
    nodes { users { nodes { userName history { userName } } delimited download { url } } }
  }
}"""
STATES = [
    # user ID, first day, and in each file: whether it is said to be an institution, and its name
    ("u1", "20230101", *["机构 王小明"] * 2, *["个人 王小明"] * 2),
    ("u1", "20240101", *["机构 王小明"] * 2, *["个人 王小明"] * 2),
    ("u2", "20240101", *["机构 李大力"] * 2, "个人 李大力", None),
    ("u3", "20240101", *["机构 南山研究所"] * 4),
    ("u4", "20240101", *["个人 北山研究所"] * 2, *["机构 北山研究所"] * 2),
    ("u5", "20240101", *["机构 赵敏敏"] * 2, None, None),
    ("u5", "20240102", None, None, *["个人 赵敏敏"] * 2),
    ("u6", "20240101", *["机构 孙大圣"] * 2, "个人 孙大圣", "机构 西山公司"),
]


@pytest.mark.parametrize("app", [application, lambda house: routes(house, build_schema())])
async def test_the_past_shows_no_name_of_a_person(
    house: House, tmp_path: Path, app: Callable[[House], ASGIApp]
) -> None:
    """Whoever was taken for an institution: corrected since, gone since, or on another line."""
    await found(house, "A")
    for file in range(4):
        lines = [
            ROW.format(user, name, kind, ENHANCED, "路", "五", file).replace("20240101", day)
            for user, day, *states in STATES
            for kind, name in [(states[file] or " ").split(" ")]
            if name
        ]
        await load(house, "A", lines, tmp_path)
    transport = httpx.ASGITransport(app=app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        silent = Caller(client, await key(house, vendor="A", role=Role.VENDOR_OPERATOR), None)
        whole = await replace(silent, purpose="test").ask(
            "{ users { nodes { history { recordedFrom } } } }"
        )
        at = min(one["history"][0]["recordedFrom"] for one in whole["users"]["nodes"])
        answer = await silent.ask(EARLIER, at=at)
        nodes = answer["users"]["nodes"]
        assert [(one["userId"], one["userType"], one["userName"]) for one in nodes] == [
            ("u1", "INSTITUTION", "王**"),
            ("u1", "INSTITUTION", "王**"),
            ("u2", "INSTITUTION", "李**"),
            ("u3", "INSTITUTION", "南山研究所"),
            ("u4", "INDIVIDUAL", "北**"),
            ("u5", "INSTITUTION", "赵**"),
            ("u6", "INSTITUTION", "孙**"),
        ]
        assert nodes[0]["history"] == nodes[0]["otherServices"] == [{"userName": "王**"}]
        (month,) = answer["monthlyStats"]["nodes"]
        urls = [one["download"]["url"] for one in (answer["users"], month["users"])]
        files = [(await client.get(url)).text for url in urls]
        told = [json.dumps(answer, ensure_ascii=False), *files]
        assert all("王**" in one and "南山研究所" in one for one in told)
        kinds = [one["kind"] for one in answer["changes"]["nodes"]]
        assert [kinds.count(kind) for kind in ("ADDED", "CHANGED", "SUPERSEDED")] == [8, 19, 2]
        names = ("王小明", "李大力", "北山研究所", "赵敏敏", "孙大圣", "西山公司")
        assert not any(name in one for name in names for one in told)
        now = (await silent.ask(HISTORIES))["users"]["nodes"]
        assert now[-1] == {
            "userId": "u6",
            "userName": "西山公司",
            "history": [{"userName": name} for name in ("孙**", "孙**", "孙**", "西**")],
        }
        shown = await replace(silent, purpose="test").ask(EARLIER, at=at)
        assert "王小明" in shown["users"]["delimited"]


@pytest.mark.parametrize("app", [application, lambda house: routes(house, build_schema())])
async def test_the_past_of_some_products_shows_no_name_of_a_person_either(
    house: House, tmp_path: Path, app: Callable[[House], ASGIApp]
) -> None:
    """The line by which the user is known as an individual is of another product."""
    await found(house, "A")
    first = ROW.format("u1", "王小明", "机构", ENHANCED, "路", "五", "0")
    await load(house, "A", [first], tmp_path)
    await load(house, "A", [ROW.format("u1", "王小明", "个人", BASIC, "路", "五", "0")], tmp_path)
    transport = httpx.ASGITransport(app=app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        silent = Caller(client, await key(house, vendor="A", role=Role.VENDOR_OPERATOR), None)
        whole = await replace(silent, purpose="test").ask(CHANGED, of=[ENHANCED])
        at = whole["changes"]["nodes"][0]["batch"]["recordedAt"]
        assert whole["changes"]["nodes"][0]["after"]["userName"] == "王小明"
        answer = await silent.ask(NARROWED, at=at, of=[ENHANCED])
        (month,) = answer["monthlyStats"]["nodes"]
        assert month["users"]["nodes"] == [{"userName": "王**", "history": [{"userName": "王**"}]}]
        told = [
            *(
                json.dumps(one, ensure_ascii=False)
                for one in (answer, await silent.ask(CHANGED, of=[ENHANCED]))
            ),
            (await client.get(month["users"]["download"]["url"])).text,
        ]
        assert all("王**" in one and "王小明" not in one for one in told)


@pytest.mark.parametrize("app", [application, lambda house: routes(house, build_schema())])
async def test_the_history_of_some_products_shows_no_name_of_a_person_either(
    house: House, tmp_path: Path, app: Callable[[House], ASGIApp]
) -> None:
    """Today's list too, of the product whose line has always been an institution's."""
    await found(house, "A")
    once = ROW.format("u1", "王小明", "机构", ENHANCED, "路", "五", "0")
    lines = [
        once.replace("王小明", "城西公司"),
        once.replace(ENHANCED, BASIC).replace("机构", "个人"),
    ]
    for file in ([once], lines):
        await load(house, "A", file, tmp_path)
    transport = httpx.ASGITransport(app=app(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        silent = Caller(client, await key(house, vendor="A", role=Role.VENDOR_OPERATOR), None)
        (month,) = (await silent.ask(NARROWED, of=[ENHANCED]))["monthlyStats"]["nodes"]
    history = [{"userName": "王**"}, {"userName": "城**"}]
    assert month["users"]["nodes"] == [{"userName": "城西公司", "history": history}]


async def test_lines_are_logged_as_personal_data(own: World) -> None:
    for purpose in (None, "test"):
        await replace(own, purpose=purpose).answer(ALPHA, "{ users { delimited } }")
    hidden_entry, entry = await logged(own, "query")
    assert "personal" not in hidden_entry
    assert entry["personal"] == sorted(PERSONAL.values())
