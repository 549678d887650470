"""Limits as callers meet them: cost, rate, concurrency, measuring only, and registered documents."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest
from graphing import Caller, calling
from locks import locked, until, waiting
from market import ENHANCED, found, key, load
from serving import Wire, serving

from gateway.app.house import House
from gateway.app.server import application
from gateway.catalogue import registry
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy import registered
from gateway.tenancy.issue import Holder, issue
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

LINE = "u{}||甲||个人||试用用户||20260101||0||{}||Web||0||0||0"
PAGE = "query ($n: Int) { users(first: $n) { nodes { userId } } }"


@pytest.fixture
async def market(house: House, tmp_path: Path) -> House:
    await found(house, "ALPHA", "BETA")
    for vendor in ("ALPHA", "BETA"):
        await load(house, vendor, [LINE.format(i, ENHANCED) for i in range(5)], tmp_path)
    return house


@asynccontextmanager
async def limited(house: House, vendor: str = "ALPHA", **settings: Any) -> AsyncIterator[Caller]:
    """A caller of a gateway with other settings."""
    other = replace(house, settings=house.settings.model_copy(update=settings))
    async with calling(other, vendor=vendor) as caller:
        yield caller


def cost_of(answer: httpx.Response) -> tuple[int, int]:
    cost = answer.json()["extensions"]["cost"]
    return cost["requested"], cost["actual"]


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["extensions"]["code"])


@pytest.mark.parametrize("path", ["users(first: $n)", "users(last: $n)"])
async def test_cost_follows_the_value_and_what_is_unused_comes_back(
    market: House, path: str
) -> None:
    query = PAGE.replace("users(first: $n)", path)
    async with limited(market) as alpha:
        # base, the connection, and so many nodes; the answer has five
        assert cost_of(await alpha.post(query, n=1000)) == (100 + 1 + 1000, 100 + 1001 * 6 // 1001)
        assert cost_of(await alpha.post(query, n=3)) == (104, 104)
        assert cost_of(await alpha.post(query)) == (151, 100 + 51 * 6 // 51)
        assert cost_of(await alpha.post(query, n=0)) == (101, 101)


async def test_nested_lists_multiply(market: House) -> None:
    query = (
        "query ($a: Int, $b: Int, $on: Boolean!) { monthlyStats(first: $a) { nodes { month "
        "users(first: $b) { nodes { id otherServices @include(if: $on) { id } } } } } }"
    )
    async with limited(market) as alpha:
        for a, b, on in ((10, 20, False), (10, 20, True), (3, 0, True), (0, 7, True)):
            answer = await alpha.post(query, a=a, b=b, on=on)
            one = 1 + (3 if on else 0)
            assert cost_of(answer)[0] == 100 + 1 + a * (10 + 1 + b * one)


async def test_sums_cost_by_what_they_are_of_and_what_came_is_paid(market: House) -> None:
    query = """query ($from: Month, $to: Month, $by: [TotalKey!]!) {
        monthlyStats(from: $from, to: $to, first: 0) { totals(by: $by) { newCount } } }"""
    years = {"from": "2024-01", "to": "2025-12"}
    async with limited(market) as alpha:
        products = (await alpha.ask("{ products { totalCount } }"))["products"]["totalCount"]
        assert 0 < products < 5
        for by, sums in ((["MONTH"], 24), (["VENDOR"], 1), (["MONTH", "PRODUCT"], 24 * products)):
            requested, actual = cost_of(await alpha.post(query, by=by, **years))
            assert requested == 100 + 1 + 1000 + 10 * sums
            assert actual <= requested


@pytest.mark.parametrize("more", ["", 'z: monthlyStats(rulePack: "nope") { totalCount }'])
async def test_the_executors_time_is_paid_also_where_it_fails(market: House, more: str) -> None:
    """Beyond what is told, which is the same by both ways."""
    names = " ".join(f"a{i}: userId" for i in range(40))
    both = f"{{ exchanges(first: 1) {{ totalCount }} users {{ nodes {{ {names} }} }} {more} }}"
    told = 100 + 1 + 50 + 1 + 100 + (101 if more else 0)
    scarce = {"cost_limit": 1000, "cost_per_second": 1}
    async with limited(market, **scarce, cost_bucket=told + 6100) as alpha:
        assert cost_of(await alpha.post(both))[0] == told
        assert code_of(await alpha.post(both)) == "RATE_LIMITED"
    async with limited(market, **scarce, cost_bucket=5900) as alpha:
        assert code_of(await alpha.post(both)) == "COST_LIMIT"
        assert cost_of(await alpha.post(PAGE, n=800)) == (901, 106)  # nothing was kept


async def test_a_download_is_paid_by_what_is_sent(market: House, tmp_path: Path) -> None:
    await load(market, "ALPHA", [LINE.format(i, ENHANCED) for i in range(2000)], tmp_path)
    settings = {"cost_limit": 1000, "cost_bucket": 1000, "cost_per_second": 1}
    async with limited(market, **settings) as alpha, limited(market, "BETA", **settings) as beta:
        url = (await alpha.ask("{ users { download { url } } }"))["users"]["download"]["url"]
        answer = await alpha.client.get(url)
        assert (answer.status_code, answer.text.count("\n")) == (200, 2000)
        for refused in (await alpha.client.get(url), await alpha.post(PAGE, n=1)):
            assert (refused.status_code, code_of(refused)) == (429, "RATE_LIMITED")
            assert int(refused.headers["retry-after"]) > len(answer.content) // 100 - 1000
        assert (await beta.post(PAGE, n=1)).status_code == 200


async def test_what_costs_too_much_is_refused_with_its_price(market: House) -> None:
    async with limited(market, cost_limit=1000, cost_bucket=1_000_000) as alpha:
        assert (await alpha.post(PAGE, n=899)).status_code == 200
        for language, told in (("", "901"), ("zh", "点")):
            answer = await alpha.post(PAGE, language, n=900)
            assert (answer.status_code, code_of(answer)) == (400, "COST_LIMIT")
            (error,) = answer.json()["errors"]
            assert told in error["message"] or "1001" in error["message"]
            assert "at most 1000 points" in error["extensions"]["accepted"]


async def test_a_tenants_bucket_is_its_own_and_says_when_to_come_again(market: House) -> None:
    settings = {"cost_limit": 1000, "cost_bucket": 1000, "cost_per_second": 1}
    async with limited(market, **settings) as alpha:
        # unused points come back: a thousand rows are asked for, five are there
        for _ in range(4):
            assert (await alpha.post(PAGE, n=400)).status_code == 200
        while (answer := await alpha.post(PAGE, n=400)).status_code == 200:
            pass
        assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
        seconds = int(answer.headers["retry-after"])
        assert 0 < seconds <= 1000
        assert answer.json()["errors"][0]["extensions"]["retryAfter"] == seconds
        beta = await key(market, vendor="BETA", role=Role.VENDOR_OPERATOR)
        assert (await Caller(alpha.client, beta).post(PAGE, n=400)).status_code == 200
        again = await key(market, vendor="ALPHA", role=Role.VENDOR_PORTAL)
        assert (await Caller(alpha.client, again).post(PAGE, n=400)).status_code == 429


async def test_wrong_documents_cost_too(market: House) -> None:
    async with limited(market, cost_limit=1000, cost_bucket=1000, cost_per_second=1) as alpha:
        codes = [(await alpha.post(f"{{ nothing{i} }}")).status_code for i in range(12)]
    assert codes == [200] * 10 + [429] * 2


async def test_so_many_operations_at_once(market: House, server: EmbeddedPostgres) -> None:
    async with limited(market, operations_at_once=2) as alpha:
        await alpha.ask(PAGE)
        async with locked(server, market):
            slow = [asyncio.create_task(alpha.post(PAGE)) for _ in range(2)]
            await asyncio.sleep(0.1)
            answer = await alpha.post(PAGE)
            assert (answer.status_code, code_of(answer)) == (429, "RATE_LIMITED")
            assert answer.headers["retry-after"] == "1"
        assert [one.status_code for one in await asyncio.gather(*slow)] == [200, 200]
        assert (await alpha.post(PAGE)).status_code == 200


async def test_measuring_refuses_nothing_and_counts(market: House) -> None:
    settings = {"limits": "measure", "cost_limit": 1000, "cost_bucket": 1000, "cost_per_second": 1}
    async with limited(market, **settings) as alpha:
        before = await exceeded(alpha)
        for _ in range(20):
            assert (await alpha.post(PAGE, n=1000)).status_code == 200
        after = await exceeded(alpha)
    assert after["cost"] - before.get("cost", 0) == 20
    assert after["rate"] > before.get("rate", 0)


async def exceeded(caller: Caller) -> dict[str, float]:
    text = (await caller.client.get("/metrics")).text
    lines = [
        line for line in text.splitlines() if line.startswith("gateway_limits_exceeded_total{")
    ]
    return {line.split('"')[1]: float(line.rpartition(" ")[2]) for line in lines}


def chain(levels: int) -> str:
    """A document of a few hundred characters that stands for four to the power of levels fields."""
    parts = [
        f"fragment F{i} on User {{ "
        + " ".join(f"{name}: otherServices {{ ...F{i + 1} }}" for name in "abcd")
        + " }"
        for i in range(levels)
    ]
    last = f"fragment F{levels} on User {{ userId }}"
    return " ".join(("{ users { nodes { ...F0 } } }", *parts, last))


@pytest.mark.parametrize(
    ("query", "told"),
    [
        (chain(11), "fields with fragments in place"),
        ("{ viewer { " + "name " * 301 + "} }", "301 selections"),
        ("{ viewer { name " + "@skip(if: false) " * 101 + "} }", "101 directives"),
        (
            "{ ...F0 } " + " ".join(f"fragment F{i} on Query {{ __typename }}" for i in range(101)),
            "101 fragments",
        ),
        ('{ node(id: "' + "x" * 50_000 + '") { id } }', "characters"),
        ("{ viewer { name " + "@skip(if: false) " * 800 + "} }", "more than 5000 tokens"),
    ],
)
async def test_documents_that_are_too_large(market: House, query: str, told: str) -> None:
    async with limited(market) as alpha:
        answer = await alpha.post(query)
    assert (answer.status_code, code_of(answer)) == (400, "COST_LIMIT")
    (error,) = answer.json()["errors"]
    assert told in error["message"]
    assert error["extensions"]["accepted"].startswith("at most ")


async def test_the_statement_ends_when_the_client_leaves(
    market: House, server: EmbeddedPostgres
) -> None:
    """On both ways: a statement that waits in PostgreSQL is cancelled there."""
    async with calling(market, vendor="ALPHA") as alpha, serving(market) as address:
        for query in (PAGE, "{ __schema { description } users { nodes { userId } } }"):
            async with locked(server, market) as other:
                async with await Wire.open(address) as wire:
                    body = orjson.dumps({"query": query})
                    wire.writer.write(
                        b"POST /graphql HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
                        + f"Authorization: Bearer {alpha.key}\r\n".encode()
                        + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
                    )
                    await until(lambda: waiting(other), 1)
                await until(lambda: waiting(other), 0)


@asynccontextmanager
async def trusting(house: House, document: str) -> AsyncIterator[Caller]:
    """A caller who may run one document only."""
    async with open_operator(house.security, "test") as session:
        number = await registry.vendor_id(session, "ALPHA")
        assert await registered.add_document(session, number, "page", document)
        made, _ = await issue(
            session, Holder(vendor_id=number), Role.VENDOR_PORTAL, days=None, trusted_only=True
        )
    transport = httpx.ASGITransport(app=application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield Caller(client, made.text)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


async def post(caller: Caller, **body: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {caller.key}"}
    return await caller.client.post("/graphql", json=body, headers=headers)


async def test_a_key_for_registered_documents_runs_nothing_else(market: House) -> None:
    async with trusting(market, PAGE) as embed:
        asked: tuple[dict[str, Any], ...] = (
            {"documentId": f"sha256:{digest(PAGE)}"},
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": digest(PAGE)}}},
            {"query": PAGE},
        )
        for body in asked:
            answer = await post(embed, **body, variables={"n": 2})
            assert len(answer.json()["data"]["users"]["nodes"]) == 2, answer.text
            assert answer.headers["gateway-execution"] == "compiled"
        for query in (f"{PAGE} ", "{ viewer { name } }", "{ __schema { description } }"):
            answer = await post(embed, query=query)
            assert (answer.status_code, code_of(answer)) == (403, "FORBIDDEN")
            both = await post(embed, query=query, documentId=f"sha256:{digest(PAGE)}")
            assert both.status_code == 404
        for unknown in ("0" * 64, digest("{ viewer { name } }")):
            answer = await post(embed, documentId=f"sha256:{unknown}")
            assert (answer.status_code, code_of(answer)) == (404, "NOT_FOUND")
        assert (await post(embed, documentId="sha256:x")).status_code == 400


async def test_documents_are_their_vendors_and_go_at_once(market: House) -> None:
    named = {"documentId": f"sha256:{digest(PAGE)}"}
    async with trusting(market, PAGE) as embed:
        beta = Caller(embed.client, await key(market, vendor="BETA", role=Role.VENDOR_OPERATOR))
        company = Caller(embed.client, await key(market, role=Role.LICENSOR_ANALYST))
        assert (await post(embed, **named)).status_code == 200
        for other in (beta, company):
            assert code_of(await post(other, **named)) == "NOT_FOUND"
            assert (await post(other, query=PAGE)).status_code == 200
        async with open_operator(market.security, "test") as session:
            number = await registry.vendor_id(session, "ALPHA")
            await registered.remove_document(session, number, digest(PAGE))
        assert (await post(embed, **named)).status_code == 404
        assert (await post(embed, query=PAGE)).status_code == 403
