"""Answers that are longer than what is on its way between a server and a client."""

import asyncio
import json
from pathlib import Path

import pytest
from graphing import Caller
from serving import Wire
from test_exports_http import SMALL_BUFFER, long_lines, offered

from gateway.app.house import House

ALIASES = " ".join(f"a{i}: address" for i in range(40))
"""Some 16 MB of a page of a thousand."""
LONG = f"{{ users(first: 1000) {{ nodes {{ {ALIASES} }} }} }}"
SHORT = "{ users(first: 1) { nodes { userId } } }"


def send(wire: Wire, caller: Caller, query: str) -> None:
    body = json.dumps({"query": query}).encode()
    head = (
        "POST /graphql HTTP/1.1\r\nHost: gateway\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {caller.key}\r\nGateway-Purpose: test\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    wire.writer.write(head.encode() + body)


async def test_a_long_answer_is_whole(house: House, tmp_path: Path) -> None:
    async with offered(house, tmp_path, long_lines()[:1000]) as (address, caller):
        async with await Wire.open(address) as wire:
            for _ in range(2):
                send(wire, caller, LONG)
                answer = await wire.answer()
                nodes = json.loads(answer.body)["data"]["users"]["nodes"]
                assert (len(answer.body) > 15_000_000, len(nodes)) == (True, 1000)
                assert {text for node in nodes for text in node.values()} == {"址" * 127}


async def test_a_tenant_reads_what_it_has_asked_for_before_it_asks_for_more(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.http.unread.STALLED_SECONDS", 2)
    monkeypatch.setattr("gateway.limits.spending.MOST_UNREAD", 20_000_000)
    async with offered(house, tmp_path, long_lines()[:1000]) as (address, caller):
        async with (
            await Wire.open(address, buffer=SMALL_BUFFER) as still,
            await Wire.open(address) as wire,
        ):
            send(still, caller, LONG)
            answer = await still.head()
            assert answer.status == 200
            for query, status in ((LONG, 429), (SHORT, 200)):
                send(wire, caller, query)
                assert (await wire.answer()).status == status
            await asyncio.sleep(3)  # as long as an answer may stand still, and more
            send(wire, caller, LONG)
            assert (await wire.answer()).status == 200
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await still.reader.readexactly(int(answer.headers["content-length"]))


async def test_a_client_that_reads_nothing_is_left_with_what_waits(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the next request waits behind an answer that nobody reads."""
    monkeypatch.setattr("gateway.http.unread.STALLED_SECONDS", 1)
    async with offered(house, tmp_path, long_lines()[:1000]) as (address, caller):
        async with await Wire.open(address, buffer=SMALL_BUFFER) as still:
            for _ in range(2):
                send(still, caller, LONG)
            await still.head()
            await asyncio.sleep(3)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await still.reader.readexactly(2**24)
