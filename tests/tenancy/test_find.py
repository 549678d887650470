"""`gateway_find` looks into indexes as a role of its own: it must keep to the session's scope."""

from typing import Any

import asyncpg
import pytest
from worlds import ALPHA, BETA, HKEX, NUMBER, PRINCIPALS, SZSE, Principal, World, sign

FIND = "SELECT f::text FROM gateway_find($1, $2, $3, $4, $5) f"
EVERYONE = list(NUMBER.values())
WIDE = [("", "\U0010ffff", None), ("szse", "szse~", None), (None, None, "名"), (None, None, "a")]


async def find(
    connection: asyncpg.Connection,
    vendors: Any,
    what: tuple[Any, Any, Any],
    most: int | None = None,
) -> list[str]:
    return [text for (text,) in await connection.fetch(FIND, vendors, *what, most)]


@pytest.mark.parametrize("who", PRINCIPALS, ids=lambda who: who.code)
@pytest.mark.parametrize("what", WIDE, ids=repr)
async def test_it_finds_no_row_outside_the_scope(
    market: World, who: Principal, what: tuple[Any, Any, Any]
) -> None:
    """Whatever vendors are asked for: all of them, as an attacker with the service's role would."""
    async with market.acting(who) as connection:
        rows = await find(connection, EVERYONE, what)
    told = "\n".join(rows)
    own = {sign(*pair) for pair in who.pairs}
    foreign = {sign(*pair) for pair in market.pairs} - own
    assert rows
    assert {mark for mark in own if mark in told} == own
    assert not {mark for mark in foreign if mark in told}


@pytest.mark.parametrize("what", WIDE, ids=repr)
async def test_without_a_scope_it_finds_nothing(market: World, what: tuple[Any, Any, Any]) -> None:
    async with market.acting(None) as connection:
        assert await find(connection, EVERYONE, what) == []


async def test_no_vendors_asked_for_are_no_rows(market: World) -> None:
    async with market.acting(SZSE) as connection:
        for vendors in ([], None, [2**31 - 1]):
            assert await find(connection, vendors, WIDE[0]) == []


async def test_it_finds_no_more_than_it_may(market: World) -> None:
    async with market.acting(SZSE) as connection:
        for what in WIDE:
            every = await find(connection, EVERYONE, what)
            for most in (0, 1, 3, len(every), len(every) + 1):
                assert len(await find(connection, EVERYONE, what, most)) == min(most, len(every))


@pytest.mark.parametrize("who", [ALPHA, HKEX], ids=lambda who: who.code)
async def test_its_role_is_no_way_to_the_rows(market: World, who: Principal) -> None:
    """The service can't become the function's role, nor change the function."""
    async with market.acting(who) as connection:
        for attack in (
            "SET LOCAL ROLE gateway_finder",
            "CREATE OR REPLACE FUNCTION gateway_find(wanted int[], low text, high text, part text, "
            "most bigint) RETURNS SETOF service_records LANGUAGE sql AS 'TABLE service_records'",
            "ALTER FUNCTION gateway_find OWNER TO gateway_service",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                async with connection.transaction():
                    await connection.execute(attack)


async def test_what_another_vendor_has_is_not_looked_at(market: World) -> None:
    """The pieces of names stand behind the vendor's number: one's search reads no other's."""
    async with market.acting(BETA) as connection:
        assert await find(connection, EVERYONE, (None, None, "名alpha")) == []
        assert await find(connection, EVERYONE, (None, None, "名beta"))
