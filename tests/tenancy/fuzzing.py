"""What the fuzzer asks of whom, and what it demands of the answers."""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import anyio
import pytest
from graphql import GraphQLSchema
from operations import measures
from operations.documents import WRONG_VALUES, Operation, operation, revalue, vary
from operations.material import Material
from starlette.types import ASGIApp
from worlds import LICENSOR_NAME, PRINCIPALS, Principal, World, revealed

AUDITORS = tuple(who.auditor for who in PRINCIPALS)
OF_THE_LOG = 0.15
"""The share of documents that ask for the log, mostly by auditors."""
LINK = re.compile(r"http://test/exports/([\w=-]+)")
INSTANT = re.compile(r'"(\d{4}-\d\d-\d\dT[^"]*)"')
ESCAPE = re.compile(r"\\u(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]+)\})")
"""A character that a document spells by its number."""
PUBLIC = {word for pair in LICENSOR_NAME.items() for word in pair}
"""The catalogue names the data companies to everybody."""


@dataclass(frozen=True)
class Told:
    """A status, a body without what is different each time, and the way in which it was made."""

    status: int
    text: str
    way: str = field(compare=False)


@dataclass(frozen=True)
class Attacked:
    """What is wrong with the answers; whether there was data, and how the market made it."""

    wrong: str
    answered: bool
    way: str


@dataclass(frozen=True)
class Way:
    """A world by one of its ways to answer; leaks are planted in whose key it is asked with."""

    world: World
    app: ASGIApp
    key: Callable[[Principal], str] = lambda who: who.key.text

    async def told(self, who: Principal, one: Operation) -> Told:
        """An answer, what its links carry in their place, without when they expire.

        Expiring is all that is later than the world. Its field may have any alias: the value tells.
        """
        told = await self._sent(who, one)
        text = LINK.sub(lambda found: repr(self.world.house.links.open(found[1])), told.text)
        return replace(told, text=INSTANT.sub(self._dated, text))

    async def _sent(self, who: Principal, one: Operation) -> Told:
        """Send by ASGI alone: a client's own work would be a third of it all."""
        headers = [(b"host", b"test"), (b"content-type", b"application/json")]
        headers.append((b"authorization", f"Bearer {self.key(who)}".encode()))
        if one.purpose is not None:
            headers.append((b"gateway-purpose", one.purpose.encode()))
        body = json.dumps(one.body, ensure_ascii=False).encode()
        waiting = [{"type": "http.request", "body": body}]
        sent: list[Any] = []

        async def receive() -> Any:
            if waiting:
                return waiting.pop()
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b""}
        await self.app({**scope, "headers": headers}, receive, send)
        text = b"".join(message.get("body", b"") for message in sent[1:]).decode()
        way = dict(sent[0]["headers"]).get(b"gateway-execution", b"refused").decode()
        return Told(sent[0]["status"], text, way)

    def _dated(self, found: re.Match[str]) -> str:
        try:
            of_now = datetime.fromisoformat(found[1]) > self.world.settled
        except (TypeError, ValueError):
            return found[0]
        return '""' if of_now else found[0]


@dataclass(frozen=True)
class Arena:
    """All tenants' market by both ways, each tenant's world without the others, what to ask."""

    market: Way
    executing: Way
    alone: dict[str, Way]
    material: Material

    async def attack(self, who: Principal, one: Operation) -> Attacked:
        """Ask everywhere; but the executor only what was compiled, for it has answered all else."""
        told = await self.market.told(who, one)
        wrong = _alone_wrong(who, one, told)
        if not wrong and told.way == "compiled":
            executed = await self.executing.told(who, one)
            if told != executed:
                wrong = f"the executor tells another answer: {told} {executed}"
        if not wrong and told != (other := await self.alone[who.code].told(who, one)):
            wrong = f"others make a difference: {told} {other}"
        return Attacked(wrong, '"data":{' in told.text, told.way.partition(";")[0])


def _alone_wrong(who: Principal, one: Operation, told: Told) -> str:
    """What an answer by itself has that it should not have."""
    if told.status >= 500 or '"incident":"' in told.text or "fault" in told.way:
        return f"a fault: {told}"
    said, shown = asked_words(one), revealed(told.text)
    found = [word for word in who.canaries - PUBLIC if word in shown and word not in said]
    return f"canaries {found}: {told}" if found else ""


def asked_words(one: Operation) -> str:
    """All that the sender said itself, ids and cursors read."""
    document = ESCAPE.sub(lambda match: chr(int(match[1] or match[2], 16)), one.document)
    return revealed(f"{document} {json.dumps(one.variables, ensure_ascii=False)}")


def drawn(
    rng: random.Random,
    schema: GraphQLSchema,
    material: Material,
    often: int,
    together: int,
    alike: int = 1,
) -> list[tuple[Principal, Operation]]:
    """One document, so often, with values of several tenants; and who asks it with them.

    So many senders together have the same values, which are mostly another tenant's; and so many
    values in turn are of one form.
    """
    codes = [who.code for who in PRINCIPALS]
    of_the_log = rng.random() < OF_THE_LOG
    with pytest.MonkeyPatch.context() as patch:
        for name in measures.EXECUTORS:
            patch.setitem(measures.WEIGHTS, name, 0.3)
        # beside it there is hardly anything that an auditor may ask: one such field ends an answer
        patch.setitem(measures.WEIGHTS, "auditEvents", 200 if of_the_log else 0.3)
        size = rng.choice((8, 20, 60))
        first = operation(rng, schema, material, rng.choice(codes), size)
    found: list[tuple[Principal, Operation]] = []
    times, varied = 0, first
    while len(found) < often:
        values_of = rng.choice(codes)
        # what the executor alone answers, and wrong values, have no plan that others could share
        if of_the_log or times % alike == 0 or rng.random() < WRONG_VALUES:
            varied = one = vary(rng, first, material, values_of)
        else:
            one = revalue(rng, varied, material, values_of)
        times += 1
        senders = AUDITORS if rng.random() < (0.85 if of_the_log else 0.1) else PRINCIPALS
        those = [who for who in senders if rng.random() < 0.3 or who.code != values_of]
        chosen = rng.sample(those, min(together, often - len(found), len(those)))
        found += [(who, one) for who in chosen]
    return found
