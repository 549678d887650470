"""The executor and the compiled path give the same bytes: random operations, several values each.

`GATEWAY_OPERATIONS` says how many documents are drawn; each is asked with several values, by the
data company and by vendors in turn, so that what is kept of a document must serve them all.
"""

import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson
import pytest
from graphql import GraphQLSchema
from houses import fresh_database, opened
from hypothesis import given, settings
from hypothesis import strategies as st
from operations.coverage import coordinates, touched
from operations.documents import FIELDS, Operation, operation, vary
from operations.reduction import smallest
from quoted import COMPANY, QUOTE, Quoted, quoted, without_chance

from gateway.app.server import application, routes
from gateway.db.embedded import EmbeddedPostgres
from gateway.resolvers.query import build_schema

OPERATIONS = int(os.environ.get("GATEWAY_OPERATIONS", "60"))
BLOCKS = 4
BY_PACK = re.compile(r"\brulePack:|\b(quantities|feeLines|feesByPack|unapprovedCount)\b")


def _compiled_part() -> GraphQLSchema:
    """The schema without the root that is the executor's alone: the audit log."""
    schema = build_schema()._schema
    assert schema.query_type is not None
    del schema.query_type.fields["auditEvents"]
    for name in [name for name in schema.type_map if name.startswith("Audit")]:
        del schema.type_map[name]
    return schema


SCHEMA = _compiled_part()


@dataclass
class Paths:
    """The world, and a way to each of the two paths."""

    world: Quoted
    executor: httpx.AsyncClient
    compiled: httpx.AsyncClient


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    way: str = field(compare=False)

    @property
    def errors(self) -> list[Any]:
        return orjson.loads(self.body).get("errors") or []


async def reference(paths: Paths, one: Operation, language: str) -> Answer:
    """Answer by the executor."""
    return await post(paths.executor, paths, one, language)


async def candidate(paths: Paths, one: Operation, language: str) -> Answer:
    """Answer by the compiled path, unless there is an error to be told, a field without one, or another pack."""
    answer = await post(paths.compiled, paths, one, language)
    left = answer.way == "executor; reason=field" and any(
        name in one.document for name in ("licences", "exchange", "interfaceSpecs", "node")
    )
    left |= answer.way == "executor; reason=rulePack" and BY_PACK.search(one.document) is not None
    assert answer.way == "compiled" or left or answer.errors, (
        *(answer.way, one.document, one.variables),
    )
    return answer


async def post(client: httpx.AsyncClient, paths: Paths, one: Operation, language: str) -> Answer:
    answer = await client.post(
        "/graphql",
        content=orjson.dumps(one.body),
        headers={
            **replace(paths.world.callers[one.caller], purpose=one.purpose).headers,
            "Content-Type": "application/json",
            "Accept-Language": language,
        },
    )
    way = answer.headers.get("gateway-execution", "")
    return Answer(answer.status_code, answer.content, way)


@pytest.fixture(scope="module")
async def paths(
    server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Paths]:
    place = tmp_path_factory.mktemp("both_paths")
    async with AsyncExitStack() as stack:
        name = await stack.enter_async_context(fresh_database(server))
        house = await stack.enter_async_context(opened(server, name, place))
        world = await quoted(house, place, stack)
        clients = [
            await stack.enter_async_context(
                httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway")
            )
            for app in (routes(house, build_schema()), application(house))
        ]
        stack.enter_context(without_chance(house))
        yield Paths(world, *clients)


def requests(rng: random.Random, paths: Paths) -> list[Operation]:
    """A document with four sets of values, asked by the company and by both vendors.

    The first values are asked with two keys: nothing of the first answer may stay in the second.
    """
    material = paths.world.material
    first = operation(rng, SCHEMA, material)
    others = [name for name in (COMPANY, QUOTE, "ALPHA") if name != first.caller]
    return [
        first,
        replace(first, caller=others[0]),
        vary(rng, first, material, first.caller),
        vary(rng, first, material, others[0]),
        vary(rng, first, material, others[1]),
    ]


async def told(paths: Paths, several: list[Operation], language: str) -> str:
    """Say what differs about the last of them, its document made as small as it can be."""
    whole, before = several[-1], several[:-1]

    async def differ(one: Operation) -> bool:
        for earlier in before:
            await candidate(paths, replace(earlier, document=one.document), language)
        return await reference(paths, one, language) != await candidate(paths, one, language)

    found = await smallest(whole, SCHEMA, differ)
    parts = (
        f"{whole.document}\n\nmade smaller:\n{found.document}",
        f"values asked before: {[(one.caller, one.variables) for one in before]}",
        f"caller: {found.caller}, language: {language!r}, operation: {found.operation_name}",
        f"variables: {orjson.dumps(found.variables).decode()}",
        f"reference: {await reference(paths, found, language)}",
        f"candidate: {await candidate(paths, found, language)}",
    )
    return "\n".join(parts)


@pytest.mark.parametrize("block", range(BLOCKS))
async def test_the_same_bytes(paths: Paths, block: int) -> None:
    for number in range(block, OPERATIONS, BLOCKS):
        rng = random.Random(f"both paths {number}")
        language = rng.choice(("", "en", "zh-CN"))
        several = requests(rng, paths)
        for i, one in enumerate(several):
            expected = await reference(paths, one, language)
            found = await candidate(paths, one, language)
            if expected != found:
                said = await told(paths, several[: i + 1], language)
                pytest.fail(f"operation {number}, values {i}:\n{said}", pytrace=False)
            assert b'"INTERNAL"' not in expected.body, (one.body, expected)


async def test_most_operations_are_answered(paths: Paths) -> None:
    """Errors are compared as well, but what is compared is mostly data."""
    number, refused, rows = 120, 0, 0
    for i in range(number):
        one = operation(random.Random(f"answered {i}"), SCHEMA, paths.world.material)
        answer = await reference(paths, one, "")
        refused += bool(answer.errors)
        rows += b"[{" in answer.body or b'":{"' in answer.body.removeprefix(b'{"data":{"')
    assert 0 < refused < number / 10
    assert rows > number / 2


async def test_operations_touch_all_of_the_schema(paths: Paths) -> None:
    """Each field, argument and input field, several times in some thousand draws."""
    found: Counter[str] = Counter()
    for i in range(2000):
        one = operation(random.Random(f"touched {i}"), SCHEMA, paths.world.material)
        found.update(touched(SCHEMA, one))
    missing = coordinates(SCHEMA, compiled=True) - found.keys()
    assert not missing, sorted(missing)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(3, FIELDS))
async def test_other_values_for_the_same_document(paths: Paths, seed: int, fields: int) -> None:
    """Drawn before it runs: a draw that ends within it would end the loop of all other tests."""
    one = operation(random.Random(seed), SCHEMA, paths.world.material, fields=fields)
    for caller in paths.world.callers:
        other = vary(random.Random(0), one, paths.world.material, caller)
        assert (other.document, other.caller) == (one.document, caller)
        assert await candidate(paths, other, "") == await reference(paths, other, "")
