"""The server: health, a database that goes and comes back, and bodies that are no query."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx
import pytest
from graphing import Caller, calling
from market import ENHANCED, found, load
from serving import Wire, serving

from gateway.app.house import House, open_house
from gateway.app.migrate import migrate
from gateway.app.server import application
from gateway.config.settings import Settings
from gateway.db.embedded import EmbeddedPostgres
from gateway.db.engine import database, make_engine
from gateway.errors import BadInput

LINE = f"u1||甲||个人||试用用户||20260101||0||{ENHANCED}||Web||0||0||0"
NAMES = "{ users { nodes { userName } } }"
NAMED = {"users": {"nodes": [{"userName": "甲"}]}}


async def test_healthy_and_ready(house: House) -> None:
    async with serving(house) as address, await Wire.open(address) as wire:
        for path in ("/healthz", "/readyz"):
            answer = await wire.get(path)
            assert (answer.status, answer.body) == (200, b'{"status":"ok"}')
        assert (await wire.get("/nothing")).status == 404


async def test_not_ready_without_a_database(house: House) -> None:
    nowhere = make_engine("postgresql://nobody:x@127.0.0.1:1/none", role=None)
    async with client_of(replace(house, service=nowhere)) as client:
        assert (await client.get("/healthz")).status_code == 200
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert "127.0.0.1" not in answer.text
        for language, told in (("en", "does not answer"), ("zh", "没有应答")):
            answer = await client.post(
                "/graphql",
                json={"query": NAMES},
                headers={"Authorization": f"Bearer gw_{'a' * 8}_{'b' * 43}"}
                | {"Accept-Language": language},
            )
            assert answer.status_code == 503
            (error,) = answer.json()["errors"]
            assert error["extensions"]["code"] == "UNAVAILABLE"
            assert told in error["message"]
    await nowhere.dispose()


def client_of(house: House) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app=application(house), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://gateway")


async def test_the_owners_address_without_the_services_is_no_wish_for_another_database() -> None:
    config = Settings(migrate_url="postgresql://owner@127.0.0.1/gateway", database_url=None)
    with pytest.raises(BadInput, match="GATEWAY_MIGRATE_URL"):
        async with database(config):
            pass


@pytest.fixture
async def own_house() -> AsyncIterator[tuple[House, EmbeddedPostgres]]:
    """A house on a database server of its own, which may be stopped."""
    place = Path(tempfile.mkdtemp(prefix="gateway-tests-"))
    place.chmod(0o755)
    with EmbeddedPostgres(place, durable=False) as own:
        async with open_house(Settings(data_dir=place), durable=False) as opened:
            await migrate(opened.addresses)
            yield opened, own
    shutil.rmtree(place, ignore_errors=True)


async def test_a_database_that_stops_and_comes_back(
    own_house: tuple[House, EmbeddedPostgres], tmp_path: Path
) -> None:
    house, own = own_house
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    async with calling(house, vendor="A") as caller:
        data = await caller.ask("{ users { download { url } } }")
        path = httpx.URL(data["users"]["download"]["url"]).raw_path.decode()
        assert await states(caller, path) == (200, 200, 200, 200)
        cluster = str(own.directory / "postgres")
        await anyio.to_thread.run_sync(own._tool, "pg_ctl", "stop", "-m", "fast", "-D", cluster)
        assert await states(caller, path) == (200, 503, 503, 503)
        assert await states(caller, path) == (200, 503, 503, 503)
        await anyio.to_thread.run_sync(own._run_server)
        assert await states(caller, path) == (200, 200, 200, 200)
        assert await caller.ask(NAMES) == NAMED


async def states(caller: Caller, path: str) -> tuple[int, ...]:
    health = [await caller.client.get(route) for route in ("/healthz", "/readyz")]
    answers = [*health, await caller.post(NAMES), await caller.client.get(path)]
    return tuple(answer.status_code for answer in answers)


JSON = "application/json"
BODIES: dict[str, tuple[bytes, str]] = {
    "3": (b"3", JSON),
    "null": (b"null", JSON),
    "true": (b"true", JSON),
    "text": (b'"{ viewer { name } }"', JSON),
    "[]": (b"[]", JSON),
    "[null]": (b"[null]", JSON),
    "{": (b"{", JSON),
    "{}": (b"{}", JSON),
    "nothing": (b"", JSON),
    "brackets": (b"[" * 1_000_000, JSON),
    "braces": (b'{"query":' * 100_000, JSON),
    "digits": (b'{"query": ' + b"9" * 10_000 + b"}", JSON),
    "bad UTF-8": (b'{"query": "{ viewer { name } }\xff"}', JSON),
    "UTF-16": ('{"query": "{ viewer { name } }"}'.encode("utf-16"), JSON),
    "NaN": (b'{"query": NaN}', JSON),
    "query 3": (b'{"query": 3}', JSON),
    "query null": (b'{"query": null}', JSON),
    "query list": (b'{"query": ["{ viewer { name } }"]}', JSON),
    "query empty": (b'{"query": ""}', JSON),
    "variables list": (b'{"query": "{ viewer { name } }", "variables": [1]}', JSON),
    "variables text": (b'{"query": "{ viewer { name } }", "variables": "x"}', JSON),
    "variables 3": (b'{"query": "{ viewer { name } }", "variables": 3}', JSON),
    "operation 3": (b'{"query": "{ viewer { name } }", "operationName": 3}', JSON),
    "operation unknown": (b'{"query": "{ viewer { name } }", "operationName": "x"}', JSON),
    "batch": (b'[{"query": "{ viewer { name } }"}]', JSON),
    "deep document": (json.dumps({"query": "{ users " + "{ a " * 2000}).encode(), JSON),
    "deep value": (json.dumps({"query": "{ users(first: " + "[" * 4000}).encode(), JSON),
    "deep type": (json.dumps({"query": "query ($x: " + "[" * 4000}).encode(), JSON),
    "plain": (b"{ viewer { name } }", "text/plain"),
    "form": (b"query=%7B+viewer+%7D", "application/x-www-form-urlencoded"),
    "multipart": (b"--x--\r\n", "multipart/form-data; boundary=x"),
    "multipart without boundary": (b"--x--\r\n", "multipart/form-data"),
    "no type": (b'{"query": "{ viewer { name } }"}', ""),
    "bad type": (b'{"query": "{ viewer { name } }"}', ";;;="),
    "bad charset": (b'{"query": "{ viewer { name } }"}', f"{JSON}; charset=nothing"),
}
FINE = {"bad charset", "no type", "UTF-16"}


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_query_is_the_callers_fault(house: House, name: str) -> None:
    body, kind = BODIES[name]
    async with calling(house) as caller, client_of(house) as client:
        answer = await client.post(
            "/graphql",
            content=body,
            headers={"Authorization": f"Bearer {caller.key}", "Content-Type": kind},
        )
        assert (await caller.ask("{ viewer { role } }"))["viewer"]["role"] == "LICENSOR_ANALYST"
    assert answer.status_code < 500
    if name not in FINE:
        assert told_bad(answer), answer.text


def told_bad(answer: httpx.Response) -> bool:
    """Whether an answer is a refusal; GraphQL's own come with status 200 too."""
    return answer.status_code >= 400 or bool(answer.json()["errors"])


@pytest.mark.parametrize("name", ["{", "3", "{}", "query 3", "variables list", "plain", "batch"])
async def test_a_refused_body_says_so_as_graphql_does(house: House, name: str) -> None:
    """The contract: every error carries `extensions.code`."""
    body, kind = BODIES[name]
    async with calling(house) as caller:
        answer = await caller.client.post(
            "/graphql",
            content=body,
            headers={"Authorization": f"Bearer {caller.key}", "Content-Type": kind},
        )
    assert answer.headers["content-type"].startswith(JSON), answer.text
    assert all(error["extensions"]["code"] for error in answer.json()["errors"])


@pytest.mark.parametrize(
    "query",
    [
        "",
        "query=",
        "query={",
        "query={viewer{name}}&variables=[",
        "query={viewer{name}}&variables=3",
        "query={viewer{name}}&operationName=x",
        "query=%FF",
        "x=1",
        "query=mutation{x}",
    ],
)
async def test_a_bad_get_is_the_callers_fault(house: House, query: str) -> None:
    async with calling(house) as caller, client_of(house) as client:
        answer = await client.get(
            f"/graphql?{query}", headers={"Authorization": f"Bearer {caller.key}"}
        )
    assert answer.status_code < 500
    assert told_bad(answer)


async def test_other_methods_and_a_get_that_is_fine(house: House, tmp_path: Path) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    async with calling(house, vendor="A") as caller:
        headers = {**caller.headers, "Authorization": f"bearer  {caller.key} "}
        answer = await caller.client.get(f"/graphql?query={quote(NAMES)}", headers=headers)
        assert answer.json()["data"] == NAMED
        for method in ("PUT", "DELETE", "PATCH"):
            answer = await caller.client.request(method, "/graphql", headers=headers)
            assert answer.status_code == 405


async def test_many_callers_at_once(house: House, tmp_path: Path) -> None:
    """More callers than connections: they wait for each other, and none gets another's answer."""
    await found(house, "A", "B")
    await load(house, "A", [LINE], tmp_path)
    await load(house, "B", [LINE.replace("甲", "乙")], tmp_path)
    async with calling(house, vendor="A") as one, calling(house, vendor="B") as other:
        both = f"{{ {' '.join(f'a{i}: users {{ nodes {{ userName }} }}' for i in range(5))} }}"
        answers = await asyncio.gather(
            *(caller.ask(both) for _ in range(20) for caller in (one, other))
        )
    for answer, name in zip(answers, ("甲", "乙") * 20, strict=True):
        assert {part["nodes"][0]["userName"] for part in answer.values()} == {name}
