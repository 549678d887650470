"""graphql-transport-ws on a real socket: who may speak, what is answered, when it is closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import orjson
import pytest
from graphing import Caller, calling
from locks import locked, until, waiting
from market import found
from serving import serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from gateway.app.house import House
from gateway.db.embedded import EmbeddedPostgres
from gateway.tenancy.issue import revoke
from gateway.tenancy.operator import open_operator

NAME = {"query": "{ viewer { vendor } }"}
USERS = {"query": "{ users { nodes { userId } } }"}
ANSWER = {"viewer": {"vendor": "ALPHA"}}


class Talk:
    """One client's connection."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, kind: str, **more: Any) -> None:
        await self.connection.send(orjson.dumps({"type": kind, **more}).decode())

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return orjson.loads(await self.connection.recv())

    async def closed(self) -> int:
        """Return the code with which the server closes the connection, whatever it says before."""
        async with asyncio.timeout(10):
            with suppress(ConnectionClosed):
                while True:
                    await self.connection.recv()
        assert self.connection.close_code is not None
        return self.connection.close_code

    async def init(self, caller: Caller) -> None:
        await self.say("connection_init", payload={"Authorization": f"Bearer {caller.key}"})
        assert await self.hear() == {"type": "connection_ack"}


@asynccontextmanager
async def talking(
    address: tuple[str, int], protocol: str = "graphql-transport-ws", **headers: str
) -> AsyncIterator[Talk]:
    host, port = address
    async with connect(
        f"ws://{host}:{port}/graphql",
        subprotocols=[Subprotocol(protocol)],
        additional_headers=headers,
    ) as connection:
        yield Talk(connection)


@pytest.fixture
async def alpha(house: House) -> AsyncIterator[Caller]:
    await found(house, "ALPHA")
    async with calling(house, vendor="ALPHA") as caller:
        yield caller


@pytest.fixture
async def address(house: House, alpha: Caller) -> AsyncIterator[tuple[str, int]]:
    async with serving(house) as one:
        yield one


async def test_operations_are_answered(address: tuple[str, int], alpha: Caller) -> None:
    async with talking(address) as talk:
        await talk.init(alpha)
        await talk.say("ping")
        assert await talk.hear() == {"type": "pong"}
        await talk.say("subscribe", id="1", payload=NAME)
        heard = await talk.hear()
        assert (heard["id"], heard["type"], heard["payload"]["data"]) == ("1", "next", ANSWER)
        assert heard["payload"]["extensions"]["cost"]["requested"] == 101
        assert await talk.hear() == {"id": "1", "type": "complete"}
        for payload, code in (
            ({"query": "{ x }"}, "GRAPHQL_VALIDATION_FAILED"),
            ({"query": 3}, "BAD_USER_INPUT"),
            ({"query": "{ viewer { " + "name " * 400 + "} }"}, "COST_LIMIT"),
        ):
            await talk.say("subscribe", id="1", payload=payload)
            heard = await talk.hear()
            assert (heard["id"], heard["type"]) == ("1", "error")
            assert heard["payload"][0]["extensions"]["code"] == code


async def test_a_connection_outlives_the_time_for_its_head(
    house: House, alpha: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.heads.HEAD_SECONDS", 0.5)
    async with serving(house) as address, talking(address) as talk:
        await talk.init(alpha)
        await asyncio.sleep(1)
        await talk.say("subscribe", id="1", payload=NAME)
        assert (await talk.hear())["payload"]["data"] == ANSWER


async def test_the_handshakes_header_is_a_credential_too(
    address: tuple[str, int], alpha: Caller
) -> None:
    async with talking(address, Authorization=f"Bearer {alpha.key}") as talk:
        await talk.say("connection_init")
        assert await talk.hear() == {"type": "connection_ack"}


@pytest.mark.parametrize(
    ("messages", "code"),
    [
        (['{"type": "subscribe", "id": "1", "payload": {"query": "{ __typename }"}}'], 4401),
        (['{"type": "connection_init"}'], 4403),
        (['{"type": "connection_init", "payload": {"Authorization": "Bearer x"}}'], 4403),
        (['{"type": "connection_init", "payload": 3}'], 4400),
        (["x"], 4400),
        (["3"], 4400),
        (["[" * 100_000], 4400),
        ([b"{}"], 4400),
        (['{"type": "nothing"}'], 4400),
        (['{"type": "complete"}'], 4400),
        (["x" * 2_000_000], 1009),
    ],
)
async def test_who_does_not_keep_to_the_protocol_is_told_why(
    address: tuple[str, int], messages: list[str | bytes], code: int
) -> None:
    async with talking(address) as talk:
        for message in messages:
            await talk.connection.send(message)
        assert await talk.closed() == code


async def test_once_only(address: tuple[str, int], alpha: Caller) -> None:
    async with talking(address) as talk:
        await talk.init(alpha)
        await talk.say("connection_init")
        assert await talk.closed() == 4429
    async with talking(address) as talk:
        await talk.init(alpha)
        await talk.connection.send('{"type": "subscribe", "id": "", "payload": {}}')
        assert await talk.closed() == 4400


async def test_no_two_operations_have_one_id(
    house: House, server: EmbeddedPostgres, address: tuple[str, int], alpha: Caller
) -> None:
    async with locked(server, house) as other, talking(address) as talk:
        await talk.init(alpha)
        await talk.say("subscribe", id="1", payload=USERS)
        await until(lambda: waiting(other), 1)
        await talk.say("subscribe", id="1", payload=NAME)
        assert await talk.closed() == 4409
        await until(lambda: waiting(other), 0)


@pytest.mark.parametrize("leaves", [False, True])
async def test_what_the_client_wants_no_more_is_ended(
    house: House,
    server: EmbeddedPostgres,
    address: tuple[str, int],
    alpha: Caller,
    leaves: bool,
) -> None:
    """Whether it completes the operation or is gone: nothing goes on in PostgreSQL."""
    async with locked(server, house) as other, talking(address) as talk:
        await talk.init(alpha)
        await talk.say("subscribe", id="1", payload=USERS)
        await until(lambda: waiting(other), 1)
        if leaves:
            await talk.connection.close()
        else:
            await talk.say("complete", id="1")
        await until(lambda: waiting(other), 0)
        if not leaves:
            await talk.say("subscribe", id="1", payload=NAME)
            assert (await talk.hear())["payload"]["data"] == ANSWER


async def test_operations_of_a_connection_are_held_to_the_bucket(
    house: House, alpha: Caller
) -> None:
    settings = house.settings.model_copy(
        update={"cost_limit": 500, "cost_bucket": 500, "cost_per_second": 1}
    )
    async with serving(replace(house, settings=settings)) as address, talking(address) as talk:
        await talk.init(alpha)
        heard = []
        for number in range(12):
            await talk.say("subscribe", id=str(number), payload=NAME)
            heard.append(await talk.hear())
            if heard[-1]["type"] == "next":
                await talk.hear()
        assert (heard[0]["type"], heard[-1]["type"]) == ("next", "error")
        assert heard[-1]["payload"][0]["extensions"]["code"] == "RATE_LIMITED"


async def test_another_protocol_and_another_sites_page(
    address: tuple[str, int], alpha: Caller
) -> None:
    async with talking(address, "graphql-ws") as talk:
        assert await talk.closed() == 4406
    async with talking(address, Origin="https://evil.example") as talk:
        await talk.say("connection_init", payload={"Authorization": f"Bearer {alpha.key}"})
        assert await talk.closed() == 4403


async def test_the_connection_ends_with_the_credential(
    house: House, address: tuple[str, int], alpha: Caller
) -> None:
    async with open_operator(house.security, "test") as session:
        await session._connection.exec_driver_sql(
            "UPDATE api_keys SET expires_at = clock_timestamp() + interval '1 second'"
        )
    async with talking(address) as talk:
        await talk.init(alpha)
        assert await talk.closed() == 4401


async def test_a_revoked_key_ends_it_with_the_next_operation(
    house: House, address: tuple[str, int], alpha: Caller
) -> None:
    async with talking(address) as talk:
        await talk.init(alpha)
        async with open_operator(house.security, "test") as session:
            await revoke(session, alpha.key.split("_")[1])
        await talk.say("subscribe", id="1", payload=NAME)
        assert await talk.closed() == 4401


async def test_who_says_nothing_is_sent_away(
    address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.sockets._INIT_SECONDS", 0.1)
    async with talking(address) as talk:
        assert await talk.closed() == 4408
