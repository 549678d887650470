"""Accounts: who signs in, with what, how often, and that a session ends with what opened it."""

import asyncio
import base64
import time
import unicodedata
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from cryptography.fernet import InvalidToken
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from test_keys import issued
from worlds import ALPHA, BETA, EXECUTOR, PRINCIPALS, SZSE, Principal, World

from gateway.catalogue import registry
from gateway.errors import BadInput, NotFound
from gateway.tenancy.accounts import (
    Provisioned,
    Seeds,
    add_account,
    list_accounts,
    reset_account,
    revoke_account,
)
from gateway.tenancy.issue import Holder
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

PASSWORD = "correct hörse 电池"
WORDING = "name, password or code is wrong, or there were too many attempts"


class Person:
    """Somebody with an account, and the phone that shows the codes."""

    def __init__(self, world: World, made: Provisioned, password: str = PASSWORD) -> None:
        self.world, self.name, self.password = world, made.name, password
        self.totp = TOTP(base64.b32decode(made.secret), 6, SHA1(), 30)

    def code(self, steps: int = 0) -> str:
        return self.totp.generate(int(time.time()) + 30 * steps).decode()

    async def sign_in(self, client: httpx.AsyncClient, **other: Any) -> httpx.Response:
        given = {"account": self.name, "password": self.password, "code": self.code()}
        return await client.post("/session", json=given | other)

    async def set(self, column: str, value: Any) -> None:
        """Have the database say something else of the account."""
        admin = await asyncpg.connect(self.world.admin)
        await admin.execute(f"UPDATE accounts SET {column} = $1 WHERE name = $2", value, self.name)
        await admin.close()


async def person(
    world: World, name: str, who: Principal = ALPHA, role: Role | None = None
) -> Person:
    async with open_operator(world.house.security, "test") as session:
        if who.code in {"VENDALPHA", "VENDBETA"}:
            holder = Holder(vendor_id=await registry.vendor_id(session, who.code))
        else:
            holder = Holder(licensor_id=await registry.licensor_id(session, who.code))
        granted = role or (Role.VENDOR_OPERATOR if holder.vendor_id else Role.LICENSOR_ANALYST)
        made = await add_account(session, world.house.seeds, holder, granted, name, PASSWORD)
        return Person(world, made)


async def asked(client: httpx.AsyncClient, token: str, query: str) -> list[Any]:
    """The answers of both ways."""
    headers = {"Authorization": f"Bearer {token}", "Gateway-Purpose": "test"}
    return [
        (await client.post(f"{base}/graphql", json={"query": query}, headers=headers)).json()
        for base in ("", EXECUTOR)
    ]


def session_of(answer: httpx.Response) -> str:
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def refused(answer: httpx.Response) -> None:
    assert answer.status_code == 401, answer.text
    assert answer.headers["www-authenticate"] == "Bearer"  # RFC 9110, 15.5.2
    (error,) = answer.json()["errors"]
    assert error["message"] == WORDING
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
async def test_a_session_sees_what_its_holder_sees_and_nobody_elses(
    shared: World, shared_front: httpx.AsyncClient, who: Principal
) -> None:
    one = await person(shared, f"sees.{who.code.lower()}", who)
    answer = await one.sign_in(shared_front)
    token = session_of(answer)
    ends = datetime.fromisoformat(answer.json()["expiresAt"])
    assert timedelta(hours=7) < ends - datetime.now(UTC) <= timedelta(hours=8)
    query = "{ viewer { name vendors { code } } users { totalCount nodes { userId userName } } }"
    mine = await shared.answer(who, "{ users { totalCount nodes { userId userName } } }")
    for told in await asked(shared_front, token, query):
        assert told["data"]["viewer"]["name"] == f"account:{one.name}"
        assert told["data"]["users"] == mine["users"]
        assert not [word for word in who.canaries if word in str(told)]


async def test_what_does_not_sign_in(shared: World, shared_front: httpx.AsyncClient) -> None:
    one = await person(shared, "wrong")
    digits = {one.code(-1), one.code(), one.code(1)}
    other = next(text for text in ("000000", "111111", "222222", "333333") if text not in digits)
    for wrong in (
        {"password": f"{PASSWORD}!"},
        {"password": ""},
        {"code": other},
        {"code": one.code(-3)},
        {"code": one.code(3)},
        {"code": f" {one.code()}"},
        {"code": "١٢٣٤٥٦"},
        {"account": "nobody"},
        {"account": "WRONG"},
        {"account": "x\0y"},
        {"account": ""},
        {"password": "p" * 10_000},
    ):
        refused(await one.sign_in(shared_front, **wrong))
        await one.set("locked_until", None)
        await one.set("attempts", 0)
    # composed and decomposed characters are the same password
    apart = unicodedata.normalize("NFD", PASSWORD)
    assert apart != PASSWORD
    session_of(await one.sign_in(shared_front, password=apart))


@pytest.mark.parametrize(
    ("body", "argument"),
    [
        (b"", "account"),
        (b"3", "body"),
        (b'{"account": 1, "password": "x", "code": "x"}', "account"),
        (b'{"account": "a", "password": "geheim", "code": 123456}', "code"),
        (b'{"account": "a", "password": "geheim", "code": "1", "more": 1}', "more"),
        (b'{"account": "a", "password": "\\ud800geheim", "code": "1"}', "body"),
        (b"\xff", "body"),
        (b" " * 70_000, "body"),
    ],
)
async def test_a_body_that_is_no_attempt(
    shared_front: httpx.AsyncClient, body: bytes, argument: str | None
) -> None:
    kind = {"Content-Type": "application/json"}
    answer = await shared_front.post("/session", content=body, headers=kind)
    assert answer.status_code == (413 if len(body) > 65_536 else 400), answer.text
    assert answer.json()["errors"][0]["extensions"].get("argument") == argument
    assert "geheim" not in answer.text


@pytest.mark.parametrize("path", ["/session", "/embed/tokens"])
@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_what_any_page_could_send_is_not_read(
    shared: World, shared_front: httpx.AsyncClient, path: str, kind: str | None
) -> None:
    key = (await issued(shared, Role.VENDOR_PORTAL)).text
    headers = {"Origin": "https://evil.example", "Authorization": f"Bearer {key}"}
    if kind is not None:
        headers["Content-Type"] = kind

    async def body() -> AsyncIterator[bytes]:
        raise AssertionError("the body is read")
        yield b""

    for more in ({"Content-Length": "20"}, {"Transfer-Encoding": "chunked"}):
        request = shared_front.build_request("POST", path, content=body(), headers=headers | more)
        answer = await shared_front.send(request)
        assert answer.status_code == 415
        told = answer.json()["errors"][0]["extensions"]
        assert (told["argument"], told["accepted"]) == ("Content-Type", "application/json")


async def test_a_code_is_taken_once_and_none_before_it(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "once")
    codes = [one.code(steps) for steps in (-1, 0, 1)]
    session_of(await one.sign_in(shared_front, code=codes[1]))
    refused(await one.sign_in(shared_front, code=codes[1]))
    refused(await one.sign_in(shared_front, code=codes[0]))
    session_of(await one.sign_in(shared_front, code=codes[2]))


async def test_of_one_code_at_once_only_one_is_taken(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "atonce")
    code = one.code()
    answers = await asyncio.gather(*(one.sign_in(shared_front, code=code) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [201, 401, 401, 401]


async def test_after_five_attempts_the_right_one_waits(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "locked")
    answers = await asyncio.gather(
        *(one.sign_in(shared_front, password="x" * 12) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {401}
    refused(await one.sign_in(shared_front, password="x" * 12))
    refused(await one.sign_in(shared_front))
    async with open_operator(shared.house.security, "test") as session:
        (told,) = [row for row in await list_accounts(session) if row["name"] == "locked"]
    left = told["lockedUntil"] - datetime.now(UTC)
    assert timedelta(seconds=15) < left <= timedelta(seconds=30)
    # half a minute later one more attempt is let through, which if wrong locks twice as long
    await one.set("locked_until", datetime.now(UTC) - timedelta(seconds=1))
    refused(await one.sign_in(shared_front, password="x" * 12))
    async with open_operator(shared.house.security, "test") as session:
        (told,) = [row for row in await list_accounts(session) if row["name"] == "locked"]
    assert told["lockedUntil"] - datetime.now(UTC) > timedelta(seconds=45)
    await one.set("locked_until", datetime.now(UTC) - timedelta(seconds=1))
    session_of(await one.sign_in(shared_front))
    async with open_operator(shared.house.security, "test") as session:
        (told,) = [row for row in await list_accounts(session) if row["name"] == "locked"]
    assert told["lockedUntil"] is None


async def test_a_session_ends_when_it_is_left(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "leaves")
    token = session_of(await one.sign_in(shared_front))
    other = session_of(await one.sign_in(shared_front, code=one.code(1)))
    headers = {"Authorization": f"Bearer {token}"}
    assert (await shared_front.delete("/session", headers=headers)).status_code == 204
    assert (await shared_front.delete("/session", headers=headers)).status_code == 401
    for told in await asked(shared_front, token, "{ viewer { name } }"):
        assert told["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    for told in await asked(shared_front, other, "{ viewer { name } }"):
        assert told["data"]
    # a key is no session, and stays
    headers = {"Authorization": f"Bearer {ALPHA.key.text}"}
    assert (await shared_front.delete("/session", headers=headers)).status_code == 401
    assert await shared.answer(ALPHA, "{ viewer { name } }")


async def test_sessions_end_with_their_account(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "revoked", SZSE)
    token = session_of(await one.sign_in(shared_front))
    assert (await asked(shared_front, token, "{ viewer { name } }"))[0]["data"]
    async with open_operator(shared.house.security, "test") as session:
        await revoke_account(session, "revoked")
    for told in await asked(shared_front, token, "{ viewer { name } }"):
        assert told["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    refused(await one.sign_in(shared_front, code=one.code(1)))
    async with open_operator(shared.house.security, "test") as session:
        with pytest.raises(NotFound):
            await revoke_account(session, "nobody")


async def test_a_reset_gives_another_password_and_phone(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "reset")
    token = session_of(await one.sign_in(shared_front))
    other = "another password"
    async with open_operator(shared.house.security, "test") as session:
        made, _ = await reset_account(session, shared.house.seeds, "reset", other)
    for told in await asked(shared_front, token, "{ viewer { name } }"):
        assert told["errors"]
    again = Person(shared, made, other)
    refused(await one.sign_in(shared_front, code=one.code(1)))
    refused(await again.sign_in(shared_front, password=PASSWORD))
    for _ in range(4):
        refused(await again.sign_in(shared_front, password=PASSWORD))
    refused(await again.sign_in(shared_front))  # locked
    async with open_operator(shared.house.security, "test") as session:
        made, _ = await reset_account(session, shared.house.seeds, "reset", other)
    session_of(await Person(shared, made, other).sign_in(shared_front))
    async with open_operator(shared.house.security, "test") as session:
        await revoke_account(session, "reset")
        with pytest.raises(BadInput, match="revoked"):
            await reset_account(session, shared.house.seeds, "reset", other)


async def test_those_who_wait_are_bounded(shared: World, shared_front: httpx.AsyncClient) -> None:
    """More from one address than may wait are told to come again, and not counted."""
    one = await person(shared, "queue")
    answers = await asyncio.gather(
        *(one.sign_in(shared_front, account="nobody", password="x" * 60_000) for _ in range(9))
    )
    assert sorted(answer.status_code for answer in answers) == [401] * 4 + [429] * 5
    late = next(answer for answer in answers if answer.status_code == 429).json()["errors"][0]
    assert (late["extensions"]["code"], late["extensions"]["retryAfter"]) == ("RATE_LIMITED", 3)
    session_of(await one.sign_in(shared_front))


async def test_a_body_of_accents_holds_nobody_up(shared_front: httpx.AsyncClient) -> None:
    """Putting 20,000 accents together would take as long as a thousand requests."""
    given = {"account": "a", "password": "a" + "\u0301" * 10_000 + "\u0316" * 10_000, "code": "1"}
    refused(await shared_front.post("/session", json=given))


async def test_a_session_issues_no_tokens(shared: World, shared_front: httpx.AsyncClient) -> None:
    one = await person(shared, "admin", ALPHA, Role.VENDOR_ADMINISTRATOR)
    token = session_of(await one.sign_in(shared_front))
    for told in await asked(shared_front, token, "{ viewer { rights } }"):
        assert "ADMINISTER" in told["data"]["viewer"]["rights"]
        assert "ISSUE_TOKENS" not in told["data"]["viewer"]["rights"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await shared_front.post("/embed/tokens", json={}, headers=headers)
    assert answer.status_code == 404


async def test_that_a_session_ends_is_no_matter_of_others(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    """Others' admissions hold, and an operator at work on the catalogue keeps nobody signed in."""
    one = await person(shared, "apart")
    token = session_of(await one.sign_in(shared_front))
    admin = await asyncpg.connect(shared.admin)
    ticks = "SELECT sum(ticks) FROM reach_clock"
    before = await admin.fetchval(ticks)
    work = admin.transaction()
    await work.start()
    await admin.execute("UPDATE vendors SET name = name")
    async with asyncio.timeout(10):
        headers = {"Authorization": f"Bearer {token}"}
        assert (await shared_front.delete("/session", headers=headers)).status_code == 204
    await work.rollback()
    assert await admin.fetchval(ticks) == before
    await admin.close()


async def test_the_tables_copy_opens_nothing(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    """Without the gateway's secret the codes can't be computed; the password is a hash."""
    one = await person(shared, "copied")
    admin = await asyncpg.connect(shared.admin)
    row = await admin.fetchrow("SELECT * FROM accounts WHERE name = 'copied'")
    digests = await admin.fetch("SELECT prefix, digest FROM api_keys WHERE claim = 'copied'")
    await admin.close()
    assert row["password"].startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in str(dict(row))
    assert len(shared.house.seeds.open(row["seed"])) == 20
    stranger = Seeds("x" * 48)
    refused(await one.sign_in(shared_front, code="000000"))
    with pytest.raises(InvalidToken):
        stranger.open(row["seed"])
    # nothing that can be presented stands for the account itself
    assert len(digests) == 1
    for told in await asked(shared_front, f"gw_{row['prefix']}_{'A' * 43}", "{ viewer { name } }"):
        assert told["errors"]


async def test_what_is_no_account(shared: World) -> None:
    async with open_operator(shared.house.security, "test") as session:
        vendor = Holder(vendor_id=await registry.vendor_id(session, BETA.code))
        seeds = shared.house.seeds
        for name in ("", "Big", "a b", "a" * 65, "名", "-a"):
            with pytest.raises(BadInput, match="not a name"):
                await add_account(session, seeds, vendor, Role.VENDOR_OPERATOR, name, PASSWORD)
        for password in ("", "x" * 11, "x" * 257):
            with pytest.raises(BadInput, match="password has"):
                await add_account(session, seeds, vendor, Role.VENDOR_OPERATOR, "a", password)
        with pytest.raises(BadInput, match="not a role"):
            await add_account(session, seeds, vendor, Role.LICENSOR_ANALYST, "a", PASSWORD)
        await add_account(session, seeds, vendor, Role.VENDOR_OPERATOR, "taken", PASSWORD)
        with pytest.raises(BadInput, match="already"):
            await add_account(session, seeds, vendor, Role.VENDOR_OPERATOR, "taken", PASSWORD)


async def test_the_log_tells_who_signed_in_and_that_somebody_tried(
    shared: World, shared_front: httpx.AsyncClient
) -> None:
    one = await person(shared, "logged", BETA, Role.VENDOR_AUDITOR)
    admin = await asyncpg.connect(shared.admin)
    tries = "SELECT count(*) FROM audit_events WHERE action = 'session' AND holder = 0"
    while shared.house.accesses.waiting:
        await asyncio.sleep(0.05)
    before = await admin.fetchval(tries)
    refused(await one.sign_in(shared_front, password="geheimgeheim"))
    token = session_of(await one.sign_in(shared_front))
    query = "{ auditEvents(first: 100) { nodes { actor action } } }"
    told = (await asked(shared_front, token, query))[0]["data"]["auditEvents"]["nodes"]
    assert {"actor": "account:logged", "action": "session.open"} in told
    async with asyncio.timeout(10):
        while await admin.fetchval(tries) == before:
            await asyncio.sleep(0.05)
    rows = await admin.fetch("SELECT * FROM audit_events")
    await admin.close()
    for secret in ("geheim", token, PASSWORD):
        assert not any(secret in str(dict(row)) for row in rows)


def test_an_authenticator_reads_the_address() -> None:
    made = Provisioned("a.b@c", bytes(20))
    assert made.secret == "A" * 32
    assert made.uri.startswith("otpauth://totp/compliance%20gateway:a.b%40c?")
    assert f"secret={made.secret}" in made.uri
