"""What somebody else has is as much work as what nobody has: time can't tell which it is.

No test here looks at a clock. Of each pair of requests, the first names something that exists with
another tenant, the second something of the same length that exists nowhere. Both must have the same
statements sent, in the same order, as many plans compiled and passwords hashed, and answers that
are the same but for the name. What PostgreSQL does for one and the same statement is left to it:
each statement names its scope, by which the rows of others are no part of it.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import httpx
import pytest
from graphql import get_named_type, is_input_object_type
from operations.coverage import coordinates, touched
from operations.documents import Operation
from sqlalchemy import event
from test_accounts import PASSWORD, person
from test_embed_tokens import token_of
from test_keys import issued
from test_schema_cases import SCHEMA
from worlds import (
    ALPHA,
    BETA,
    EXECUTOR,
    FUTURES,
    STOCKS,
    World,
    sealed,
    unsealed,
)

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.compiled.operations import Operations
from gateway.records.catalogue_lists import vendor_page
from gateway.records.keyset import Page
from gateway.resolvers import node
from gateway.tenancy import accounts
from gateway.tenancy.accounts import SignIn
from gateway.tenancy.issue import revoke
from gateway.tenancy.keys import generate
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role
from gateway.tenancy.registered import add_document, digest_of_document

WAYS = pytest.mark.parametrize("base", ["", EXECUTOR], ids=["compiled", "executor"])
NOBODY, NOTHING = "VENDXXXX", "港股期货XX"
assert (len(NOBODY), len(NOTHING)) == (len(BETA.code), len(FUTURES))


@dataclass
class Work:
    """What was done for a request."""

    statements: list[str] = field(default_factory=list)
    compiled: int = 0
    hashed: int = 0
    codes: int = 0


@contextmanager
def working(house: House) -> Iterator[Work]:
    """Note the work that is done for requests."""
    work = Work()

    def note(*arguments: Any) -> None:
        work.statements.append(arguments[2])

    def counting(name: str, told: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            setattr(work, name, getattr(work, name) + 1)
            return told(*arguments)

        return counted

    def noting(fetch: Callable[..., Any]) -> Callable[..., Any]:
        async def fetched(text: str, values: tuple[Any, ...]) -> Any:
            work.statements.append(text)
            return await fetch(text, values)

        return fetched

    engines = (house.service.sync_engine, house.exports.sync_engine)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    with pytest.MonkeyPatch.context() as patch:
        for connections in (house.answers.by_shape, house.answers.by_values):
            patch.setattr(connections, "fetch_value", noting(connections.fetch_value))
        patch.setattr(Operations, "compiled", counting("compiled", Operations.compiled))
        argon = counting("hashed", accounts.Argon2id.verify_phc_encoded)
        patch.setattr(accounts, "Argon2id", type("Counted", (), {"verify_phc_encoded": argon}))
        patch.setattr(SignIn, "_step", counting("codes", SignIn._step))
        yield work
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


Ask = Callable[[str], Any]


async def class_of(house: House, ask: Ask, thing: str) -> tuple[Work, int, list[Any], str]:
    """What was done for a request, and its answer without the name of the thing."""
    with working(house) as work:
        answer: httpx.Response = await ask(thing)
    text = answer.text.replace(thing, "…")
    return work, answer.status_code, sorted(answer.headers.items()), text


async def alike(house: House, ask: Ask, others: str, nobodys: str) -> None:
    """Demand that two things are of one class, whichever is asked for first."""
    await ask(nobodys)  # what is known of the caller and of the document afterwards, is for both
    first = await class_of(house, ask, others)
    second = await class_of(house, ask, nobodys)
    assert first == second
    assert first == await class_of(house, ask, others)


async def told_apart(house: House, ask: Ask, others: str, nobodys: str) -> None:
    """Demand that two things are not of one class, whatever their length: this file can tell."""
    await ask(nobodys)
    first, second = [await class_of(house, ask, thing) for thing in (others, nobodys)]
    assert (first[0], first[1], first[3]) != (second[0], second[1], second[3])


# Things in the graph

QUERIES = {
    "vendor": ("query ($x: String!) { vendor(code: $x) { name } }", BETA.code, NOBODY),
    "users of": ("query ($x: String!) { users(vendors: [$x]) { totalCount } }", BETA.code, NOBODY),
    "figures of": (
        *("query ($x: String!) { monthlyStats(vendors: [$x]) { totalCount } }", BETA.code, NOBODY),
    ),
    "changes of": (
        'query ($x: String!) { changes(vendor: $x, from: "2024-01-01T00:00:00Z") { totalCount } }',
        *(BETA.code, NOBODY),
    ),
    "licences of": (
        *("query ($x: String!) { licences(vendors: [$x]) { totalCount } }", BETA.code, NOBODY),
    ),
    "findings of": (
        *("query ($x: String!) { findings(vendors: [$x]) { totalCount } }", BETA.code, NOBODY),
    ),
    "users of a product": (
        "query ($x: String!) { users(filter: {products: [$x]}) { totalCount } }",
        *(FUTURES, NOTHING),
    ),
    "figures of a product": (
        "query ($x: String!) { monthlyStats(products: [$x]) { totalCount } }",
        *(FUTURES, NOTHING),
    ),
    "changes of a product": (
        'query ($x: String!) { changes(vendor: "VENDALPHA", from: "2024-01-01T00:00:00Z", '
        "products: [$x]) { totalCount } }",
        *(FUTURES, NOTHING),
    ),
    "findings of a product": (
        *("query ($x: String!) { findings(products: [$x]) { totalCount } }", FUTURES, NOTHING),
    ),
    "licences of a product": (
        *("query ($x: String!) { licences(products: [$x]) { totalCount } }", FUTURES, NOTHING),
    ),
    "search of products": (
        *("query ($x: String!) { products(search: $x) { totalCount } }", FUTURES, NOTHING),
    ),
    "user ID": (
        "query ($x: String!) { users(filter: {userId: {equals: $x}}) { totalCount } }",
        *("szse.betaKQ.001", "szse.betaXX.001"),
    ),
    "user name": (
        "query ($x: String!) { users(filter: {userName: {contains: $x}}) { totalCount } }",
        *("betaKQ", "betaXX"),
    ),
    "user ID from its start": (
        "query ($x: String!) { users(filter: {userId: {startsWith: $x}}) { totalCount } }",
        *("szse.betaKQ", "szse.betaXX"),
    ),
    "search": (
        "query ($x: String!) { users(filter: {search: $x}) { totalCount nodes { id } } }",
        *("szse.betaKQ", "szse.betaXX"),
    ),
    "search of vendors": ("query ($x: String!) { vendors(search: $x) { totalCount } }", "BETA", "XXXX"),
    **{
        f"id of a {there[0]}": ("query ($x: ID!) { node(id: $x) { id } }", sealed(there), sealed(not_))
        for there, not_ in (
            (["User", BETA.code, 1], ["User", NOBODY, 1]),
            (["Vendor", BETA.code], ["Vendor", NOBODY]),
            (["Product", FUTURES], ["Product", NOTHING]),
            (
                ["Licence", BETA.code, FUTURES, "2024-01-01"],
                ["Licence", NOBODY, NOTHING, "2024-01-01"],
            ),
        )
    },
    "cursor": (
        "query ($x: String!) { users(first: 1, after: $x) { nodes { id } } }",
        sealed([["USER_ID ASC", "VENDOR ASC", "ID ASC"], ["szse.everyone", BETA.code, 1]]),
        sealed([["USER_ID ASC", "VENDOR ASC", "ID ASC"], ["szse.everyone", NOBODY, 1]]),
    ),
    "cursor of vendors": (
        "query ($x: String!) { vendors(last: 1, before: $x) { nodes { id } } }",
        *(sealed([["CODE ASC"], [code]]) for code in (BETA.code, NOBODY)),
    ),
}  # fmt: skip
OWN = {BETA.code: ALPHA.code, FUTURES: STOCKS, "betaKQ": "alphaKQ", "BETA": "ALPHA"}
"""What ALPHA has in the place of what BETA has."""


def asking(client: httpx.AsyncClient, base: str, query: str) -> Ask:
    def ask(thing: str) -> Any:
        return client.post(
            f"{base}/graphql",
            json={"query": query, "variables": {"x": thing}},
            headers={"Authorization": f"Bearer {ALPHA.key.text}", "Gateway-Purpose": "test"},
        )

    return ask


@WAYS
@pytest.mark.parametrize(("query", "others", "nobodys"), QUERIES.values(), ids=QUERIES)
async def test_anothers_thing_is_as_much_work_as_nobodys(
    shared: World, shared_front: httpx.AsyncClient, base: str, query: str, others: str, nobodys: str
) -> None:
    ask = asking(shared_front, base, query)
    await alike(shared.house, ask, others, nobodys)
    own = _own(others)
    assert own != others
    await told_apart(shared.house, ask, own, nobodys)


def _own(others: str) -> str:
    """ALPHA's own thing of that kind."""
    try:
        return sealed(_swapped(unsealed(others)))
    except ValueError:
        return str(_swapped(others))


def _swapped(value: Any) -> Any:
    if isinstance(value, list):
        return [_swapped(one) for one in value]
    return (
        re.sub("|".join(OWN), lambda found: OWN[found[0]], value) if type(value) is str else value
    )


MONTHS = 'from: "2024-01", to: "2024-12"'
PAGES = {
    "Query.users": ("{ users(%s) { edges { cursor } } }", "after", "before"),
    "Query.vendors": ("{ vendors(%s) { edges { cursor } } }", "after", "before"),
    "Query.products": ("{ products(%s) { edges { cursor } } }", "after", "before"),
    "Query.licences": ("{ licences(%s) { edges { cursor } } }", "after", "before"),
    "Query.monthlyStats": (f"{{ monthlyStats({MONTHS}, %s) {{ edges {{ cursor }} }} }}", "after"),
    "Query.findings": (f"{{ findings({MONTHS}, %s) {{ edges {{ cursor }} }} }}", "after"),
    "MonthlyStat.users": (
        *(f"{{ monthlyStats({MONTHS}) {{ nodes {{ users(%s) {{ edges {{ cursor }} }} }} }} }}", "after"),
    ),
    "Finding.evidence": (
        *(f"{{ findings({MONTHS}) {{ nodes {{ evidence(%s) {{ edges {{ cursor }} }} }} }} }}", "after"),
    ),
}  # fmt: skip
"""Lists, and by which arguments their pages go on; without those, what gives a cursor."""


@WAYS
@pytest.mark.parametrize(
    ("query", "argument"),
    [(query, one) for query, *arguments in PAGES.values() for one in arguments],
    ids=[f"{name} {one}" for name, (_, *arguments) in PAGES.items() for one in arguments],
)
async def test_a_page_behind_anothers_row_is_as_much_work_as_one_behind_nobodys(
    shared: World, shared_front: httpx.AsyncClient, base: str, query: str, argument: str
) -> None:
    told = (await shared.ask(BETA, query % "first: 100")).text
    cursors = [cursor for cursor in CURSOR.findall(told) if _elsewhere(cursor) != cursor]
    assert cursors, told
    size = "first" if argument == "after" else "last"
    whole = f"query ($x: String!) {query % f'{size}: 2, {argument}: $x'}"
    ask = asking(shared_front, base, whole)
    for others in {cursors[0], cursors[-1]}:
        await alike(shared.house, ask, others, _elsewhere(others))


CURSOR = re.compile(r'"cursor":"([^"]+)"')
ELSEWHERE = {BETA.code: NOBODY, FUTURES: NOTHING, "betaKQ": "betaXX", "betaZW": "betaXX"}
"""Of what BETA has, what nobody has. Each is as long, and sorts to the same place for ALPHA."""


def _elsewhere(cursor: str) -> str:
    def swapped(value: Any) -> Any:
        if isinstance(value, list):
            return [swapped(one) for one in value]
        names = "|".join(ELSEWHERE)
        return (
            re.sub(names, lambda found: ELSEWHERE[found[0]], value) if type(value) is str else value
        )

    return sealed(swapped(unsealed(cursor)))


PUBLIC = {
    "Query.exchanges(*": "the catalogue is everybody's",
    "Query.interfaceSpecs(*": "the catalogue is everybody's",
    "Query.monthlyStats(rulePack:)": "rule packs are everybody's",
    "MonthlyStat.feesByPack(packs:)": "rule packs are everybody's",
    "*(format:)": "tests/exports/test_report_formats.py: in the same words",
    "Query.auditEvents(*": "positions and texts of one's own chain, which is looked through alone",
    "Query.changes(after:)": "positions in the order of one vendor's own batches",
    "Query.changes(before:)": "positions in the order of one vendor's own batches",
}


def test_each_argument_that_can_name_anothers_thing_is_a_case() -> None:
    """Of texts and ids: a new one without a case, and without a reason, is found here."""
    asked = {
        coordinate
        for query, *_ in QUERIES.values()
        for coordinate in touched(SCHEMA, Operation(query, None, {}, "", None, (), (None,)))
    }
    asked |= {f"{name}({one}:)" for name, (_, *arguments) in PAGES.items() for one in arguments}
    found = []
    for coordinate in coordinates(SCHEMA):
        owner, _, rest = coordinate.partition(".")
        name, _, argument = rest.partition("(")
        kind: Any = SCHEMA.type_map[owner]
        if argument:
            kind = kind.fields[name].args[argument.removesuffix(":)")].type
        elif is_input_object_type(kind):
            kind = kind.fields[name].type
        else:
            continue
        if get_named_type(kind).name in {"String", "ID"}:
            found.append(coordinate)
    asked |= {one for one in found if any(fnmatchcase(one, public) for public in PUBLIC)}
    missing = [one for one in found if one not in asked]
    assert len(found) > 40
    assert missing == []


async def test_one_statement_more_is_found(
    shared: World, shared_front: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A planted leak: of a vendor that exists, something is asked though nothing is told."""

    async def leaking(info: Any, code: str) -> Any:
        if code == BETA.code:
            await info.context.ask(
                vendor_page(info.context.scope, code, Page(first=1), total=False)
            )

    monkeypatch.setitem(node._BY_NAME, "Vendor", leaking)
    query, others, nobodys = QUERIES["id of a Vendor"]
    await told_apart(shared.house, asking(shared_front, EXECUTOR, query), others, nobodys)


# Documents, keys, tokens, links


@WAYS
async def test_anothers_document_is_as_much_work_as_nobodys(
    shared: World, shared_front: httpx.AsyncClient, base: str
) -> None:
    digests = {}
    async with open_operator(shared.house.security, "test") as session:
        for who in (ALPHA, BETA):
            text = f"{{ viewer {{ name }} }} # {who.code} {base}"
            number = await registry.vendor_id(session, who.code)
            await add_document(session, number, "registered", text)
            digests[who] = digest_of_document(text)

    def ask(digest: str) -> Any:
        return shared_front.post(
            f"{base}/graphql",
            json={"documentId": f"sha256:{digest}"},
            headers={"Authorization": f"Bearer {ALPHA.key.text}"},
        )

    await alike(shared.house, ask, digests[BETA], "0" * 64)
    await told_apart(shared.house, ask, digests[ALPHA], "0" * 64)


@WAYS
async def test_a_key_that_was_is_as_much_work_as_one_that_never_was(
    shared: World, shared_front: httpx.AsyncClient, base: str
) -> None:
    good, revoked, expired = (
        await issued(shared),
        await issued(shared),
        await issued(shared, days=0),
    )
    portal = await issued(shared, Role.VENDOR_PORTAL)
    token = await token_of(shared_front, portal.text)
    async with open_operator(shared.house.security, "test") as session:
        for key in (revoked, portal):
            await revoke(session, key.prefix)

    def ask(key: str) -> Any:
        headers = {"Authorization": f"Bearer {key}"}
        return shared_front.post(
            f"{base}/graphql", json={"query": "{ viewer { name } }"}, headers=headers
        )

    for ended in (revoked.text, expired.text):
        await alike(shared.house, ask, ended, generate().text)
    await alike(shared.house, ask, token, generate("ge").text)
    await told_apart(shared.house, ask, good.text, generate().text)


async def test_ending_anothers_token_is_as_much_work_as_ending_nobodys(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    mine = await issued(shared, Role.VENDOR_PORTAL)
    own = (await token_of(shared_front, mine.text)).split("_")[1]
    others = (await token_of(shared_front, BETA.key.text)).split("_")[1]

    def ask(prefix: str) -> Any:
        headers = {"Authorization": f"Bearer {mine.text}"}
        return shared_front.delete(f"/embed/tokens/{prefix}", headers=headers)

    await alike(shared.house, ask, others, "aaaaaaaa")
    await told_apart(shared.house, ask, own, "aaaaaaaa")


async def test_a_link_that_was_changed_is_as_much_work_as_none(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    _, _, token = (await shared.link(BETA)).rpartition("/")
    changed = token[:40] + ("A" if token[40] != "A" else "B") + token[41:]
    none = "gAAAAA" + "B" * (len(token.rstrip("=")) - 6) + "=" * token.count("=")

    def ask(token: str) -> Any:
        return shared_front.get(f"/exports/{token}")

    await alike(shared.house, ask, changed, none)
    await told_apart(shared.house, ask, token, none)


# Accounts


@pytest.fixture
def signing(shared_front: httpx.AsyncClient) -> Ask:
    """Sign in by a name, with a wrong password."""

    def ask(name: str) -> Any:
        proof = {"account": name, "password": f"{PASSWORD}!", "code": "000000"}
        return shared_front.post("/session", json=proof)

    return ask


async def test_a_known_name_is_as_much_work_as_an_unknown_one(shared: World, signing: Ask) -> None:
    known = await person(shared, "known.name")
    await alike(shared.house, signing, known.name, "known.nobody"[: len(known.name)])
    work, *_ = await class_of(shared.house, signing, "nobody")
    assert (work.hashed, work.codes) == (1, 1)
    for _ in range(5):
        await signing(known.name)
    await alike(shared.house, signing, known.name, "no.account")


async def test_a_name_that_is_not_hashed_for_is_found(
    shared: World, signing: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    proves = accounts._proves

    def leaking(password: str, stored: str) -> bool:
        return stored != accounts._NOBODYS and proves(password, stored)

    monkeypatch.setattr(accounts, "_proves", leaking)
    known = await person(shared, "hashed.for")
    await told_apart(shared.house, signing, known.name, "no.account")
