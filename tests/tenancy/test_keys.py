"""API keys: what is kept of them, who is let in, and that every refusal looks the same."""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
import sqlalchemy
from worlds import ALPHA, BETA, PRINCIPALS, SZSE, World

from gateway.catalogue import registry
from gateway.errors import BadInput, NotFound
from gateway.limits.turns import Line, Turns
from gateway.tenancy.issue import Holder, issue, revoke, role_for
from gateway.tenancy.keys import NewKey, digest, generate, well_formed
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

ASKED = "{ viewer { name role vendor licensor vendors { code } } }"
VENDOR_ROLES = {Role.VENDOR_ADMINISTRATOR, Role.VENDOR_OPERATOR, Role.VENDOR_PORTAL}
VENDOR_ROLES |= {Role.VENDOR_AUDITOR}
LICENSOR_ROLES = {Role.LICENSOR_ANALYST, Role.LICENSOR_ADMINISTRATOR, Role.LICENSOR_AUDITOR}


async def issued(
    world: World, role: Role = Role.VENDOR_OPERATOR, days: int | None = None
) -> NewKey:
    """Issue a new key to VENDALPHA."""
    async with open_operator(world.house.security, "test") as session:
        holder = Holder(vendor_id=await registry.vendor_id(session, "VENDALPHA"))
        made, _ = await issue(session, holder, role, days=days)
    return made


async def behind(world: World, statement: str, *values: object) -> None:
    """Do something as the superuser."""
    admin = await asyncpg.connect(world.admin)
    try:
        await admin.execute(statement, *values)
    finally:
        await admin.close()


async def presented(world: World, header: str | None) -> httpx.Response:
    headers = {} if header is None else {"Authorization": header}
    return await world.client.post("/graphql", json={"query": ASKED}, headers=headers)


# What is kept


async def test_a_key_is_nowhere_in_the_database(own: World) -> None:
    made = await issued(own)
    assert (await own.ask(made.text, ASKED)).status_code == 200
    await own.file(await own.link(made.text))
    kept = str(await own.contents())
    assert made.prefix in kept
    for text in (made.text, made.secret):
        forms = {text, text.encode().hex(), base64.b64encode(text.encode()).decode().rstrip("=")}
        assert not [form for form in forms if form in kept]
    assert hashlib.sha256(made.text.encode()).hexdigest() in kept


async def test_the_prefix_tells_who_acted_and_opens_nothing(own: World) -> None:
    made = await issued(own)
    told = (await own.ask(made.text, ASKED)).json()["data"]["viewer"]
    assert told["name"] == f"key:{made.prefix}"
    await own.file(await own.link(made.text))
    audit = str((await own.contents())["audit_events"])
    assert f"key:{made.prefix}" in audit
    forged = f"gw_{made.prefix}_{generate().secret}"
    for header in (f"Bearer {made.prefix}", f"Bearer gw_{made.prefix}_", f"Bearer {forged}"):
        assert (await presented(own, header)).status_code == 401


def test_keys_are_long_random_and_of_one_form() -> None:
    made = [generate() for _ in range(200)]
    assert len({key.secret for key in made} | {key.prefix for key in made}) == 400
    for key in made:
        assert well_formed(key.text)
        assert len(base64.urlsafe_b64decode(key.secret + "=")) == 32
        assert key.digest == digest(key.text) == hashlib.sha256(key.text.encode()).digest()


@pytest.mark.parametrize("change", ["", " ", "\n", "\0", "x"])
def test_form_is_exact(change: str) -> None:
    text = generate().text
    assert well_formed(text + change) == (change == "")
    assert well_formed(change + text) == (change == "")


# Who is let in


async def test_a_key_opens_its_holders_scope(market: World) -> None:
    for who in PRINCIPALS:
        told = (await market.answer(who, ASKED))["viewer"]
        assert told["role"] == who.role.value
        assert (told["vendor"] or told["licensor"]) == who.code
        assert {v["code"] for v in told["vendors"]} == {vendor for vendor, _ in who.pairs}


@pytest.mark.parametrize(
    "header",
    ["Bearer {}", "bearer {}", "BEARER {}", "Bearer  {}", "Bearer {} "],
)
async def test_accepted_headers(market: World, header: str) -> None:
    assert (await presented(market, header.format(ALPHA.key.text))).status_code == 200


REFUSED = {
    "missing": None,
    "empty": "",
    "scheme alone": "Bearer",
    "scheme and space": "Bearer ",
    "no scheme": "{key}",
    "Basic": "Basic {key}",
    "Token": "Token {key}",
    "Bearer twice": "Bearer Bearer {key}",
    "tab": "Bearer\t{key}",
    "two keys": "Bearer {key} {key}",
    "comma": "Bearer {key},Bearer {key}",
    "quoted": 'Bearer "{key}"',
    "cut": "Bearer {key:.50}",
    "longer": "Bearer {key}x",
    "upper case": "Bearer {KEY}",
    "another's secret": "Bearer {mixed}",
    "unknown": "Bearer gw_aaaaaaaa_" + "a" * 43,
    "not ASCII": "Bearer gw_aaaaaaaa_" + "é" * 43,
    "wide digits": "Bearer gw_aaaaaaa²_" + "a" * 43,
    "long": "Bearer " + "a" * 100_000,
    "SQL": "Bearer ' OR true --",
    "pattern": "Bearer gw_________%_" + "%" * 43,
}


@pytest.mark.parametrize("name", REFUSED)
async def test_refused_headers_look_alike(market: World, name: str) -> None:
    mixed = f"gw_{ALPHA.key.prefix}_{BETA.key.secret}"
    text = REFUSED[name]
    header = text and text.format(key=ALPHA.key.text, KEY=ALPHA.key.text.upper(), mixed=mixed)
    unknown = await presented(market, f"Bearer {generate().text}")
    async with market.unchanged():
        refused = await market.client.post(
            "/graphql",
            json={"query": ASKED},
            headers=[] if header is None else [("Authorization", header.encode("latin-1"))],
        )
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert (refused.content, refused.headers) == (unknown.content, unknown.headers)


async def test_revocation_takes_effect_at_once_and_stays(own: World) -> None:
    made, kept = await issued(own), await issued(own)
    assert (await own.ask(made.text, ASKED)).status_code == 200
    async with open_operator(own.house.security, "test") as session:
        await revoke(session, made.prefix)
    async with own.unchanged():
        assert (await own.ask(made.text, ASKED)).status_code == 401
    at = (await own.contents())["api_keys"]
    async with open_operator(own.house.security, "test") as session:
        await revoke(session, made.prefix)
    assert (await own.contents())["api_keys"] == at
    assert (await own.ask(kept.text, ASKED)).status_code == 200
    async with own.unchanged(), open_operator(own.house.security, "test") as session:
        with pytest.raises(NotFound):
            await revoke(session, "nosuchky")


async def test_expiry_takes_effect_at_once(own: World) -> None:
    made = await issued(own, days=1)
    assert (await own.ask(made.text, ASKED)).status_code == 200
    set_expiry = "UPDATE api_keys SET expires_at = $2 WHERE prefix = $1"
    await behind(own, set_expiry, made.prefix, datetime.now(UTC) - timedelta(microseconds=1))
    async with own.unchanged():
        assert (await own.ask(made.text, ASKED)).status_code == 401
    await behind(own, set_expiry, made.prefix, datetime.now(UTC) + timedelta(days=1))
    assert (await own.ask(made.text, ASKED)).status_code == 200


async def test_a_key_that_is_revoked_while_its_operation_waits_for_its_turn(
    own: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [ASKED, "{ __schema { queryType { name } } }"]
    for document in documents:
        made = await issued(own)
        assert "errors" not in (await own.ask(made.text, document)).json()
        take = Turns.take

        async def late(turns: Turns, tenant: str, made: NewKey = made, take: Any = take) -> Line:
            turn: Line = await take(turns, tenant)
            async with open_operator(own.house.security, "test") as session:
                await revoke(session, made.prefix)
            return turn

        with monkeypatch.context() as patch:
            patch.setattr(Turns, "take", late)
            assert (await own.ask(made.text, document)).status_code == 401, document


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_unknown_revoked_and_expired_are_refused_in_one_wording(
    own: World, language: str
) -> None:
    revoked, expired = await issued(own), await issued(own, days=0)
    async with open_operator(own.house.security, "test") as session:
        await revoke(session, revoked.prefix)
    told = {
        (
            await own.client.post(
                "/graphql",
                json={"query": ASKED},
                headers={"Authorization": f"Bearer {key.text}", "Accept-Language": language},
            )
        ).content
        for key in (revoked, expired, generate())
    }
    assert len(told) == 1
    assert b"UNAUTHENTICATED" in told.pop()


async def test_a_refused_request_runs_nothing(own: World) -> None:
    async with own.unchanged():
        refused = await presented(own, "Bearer x")
        assert set(refused.json()) == {"errors"}
        (error,) = refused.json()["errors"]
        assert set(error) == {"message", "extensions"}


# Roles


@pytest.mark.parametrize("holder", [Holder(vendor_id=1), Holder(licensor_id=1)], ids=str)
def test_a_role_must_fit_its_holder(holder: Holder) -> None:
    fitting = VENDOR_ROLES if holder.vendor_id else LICENSOR_ROLES
    for role in Role:
        short = role.value.partition("_")[2]
        if role in fitting:
            for name in (role.value, role.value.lower(), short.lower()):
                assert role_for(name, holder) is role
        else:
            with pytest.raises(BadInput) as refused:
                role_for(role.value, holder)
            assert refused.value.accepted == " / ".join(
                fit.value.partition("_")[2].lower() for fit in Role if fit in fitting
            )


@pytest.mark.parametrize("role", ["", "root", "platform_operator", "PLATFORM-OPERATOR", "vendor"])
def test_no_other_role_can_be_named(role: str) -> None:
    with pytest.raises(BadInput):
        role_for(role, Holder(vendor_id=1))


@pytest.mark.parametrize("holder", [Holder(), Holder(1, 1)], ids=str)
async def test_a_key_has_exactly_one_holder(own: World, holder: Holder) -> None:
    with pytest.raises(BadInput):
        role_for("operator", holder)
    async with own.unchanged():
        with pytest.raises(BadInput) as refused:
            async with open_operator(own.house.security, "test") as session:
                await issue(session, holder, Role.VENDOR_OPERATOR, days=None)
        assert refused.value.accepted == "either a vendor or a licensor"


@pytest.mark.parametrize("holder", [Holder(), Holder(1, 1)], ids=str)
async def test_the_database_wants_exactly_one_holder_too(
    own: World, holder: Holder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Holder, "side", "VENDOR")
    async with own.unchanged():
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            async with open_operator(own.house.security, "test") as session:
                await issue(session, holder, Role.VENDOR_OPERATOR, days=None)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("side", ["vendor", "licensor"])
async def test_a_key_is_not_issued_for_a_role_of_another_side(
    own: World, side: str, role: Role
) -> None:
    async def make() -> None:
        async with open_operator(own.house.security, "test") as session:
            if side == "vendor":
                holder = Holder(vendor_id=await registry.vendor_id(session, "VENDALPHA"))
            else:
                holder = Holder(licensor_id=await registry.licensor_id(session, SZSE.code))
            await issue(session, holder, role, days=None)

    if role in (VENDOR_ROLES if side == "vendor" else LICENSOR_ROLES):
        await make()
        return
    async with own.unchanged():
        with pytest.raises(BadInput, match=f"not a role of a {side}"):
            await make()


async def test_a_licensors_new_vendor_is_in_scope_at_once(own: World) -> None:
    before = (await own.answer(SZSE, ASKED))["viewer"]["vendors"]
    async with open_operator(own.house.operator, "test") as session:
        await registry.add_licence(
            session, "VENDGAMMA", "基本行情ZW", datetime(2024, 1, 1, tzinfo=UTC).date(), None
        )
    after = (await own.answer(SZSE, ASKED))["viewer"]["vendors"]
    assert [v for v in after if v not in before] == [{"code": "VENDGAMMA"}]
