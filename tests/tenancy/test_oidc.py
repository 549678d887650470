"""Tokens of a real issuer on this machine: who is let in, keys that change, and forgeries."""

import asyncio
import base64
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from test_keys import ASKED
from worlds import World

from gateway.app.server import application, routes
from gateway.catalogue import registry
from gateway.config.settings import OidcIssuer, Settings
from gateway.errors import BadInput
from gateway.resolvers.query import build_schema
from gateway.tenancy import admission, discovery, oidc
from gateway.tenancy.issue import Holder, grant, revoke
from gateway.tenancy.oidc import Issuers
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role

AUDIENCE = "compliance-gateway"
EXECUTOR = "http://executor.test"


@dataclass
class LocalIssuer:
    """An issuer: its keys, what it says of itself, and how often it was asked.

    For codes it has one answer, `given`. Whoever asks waits at a `gate` that is closed.
    """

    url: str
    keys: dict[str, tuple[Any, str]] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    asked: int = 0
    given: tuple[int, bytes] = 500, b""
    gate: threading.Event = field(default_factory=threading.Event)
    waiting: int = 0
    cookies: list[str | None] = field(default_factory=list)

    def add(self, kid: str, key: Any, algorithm: str) -> None:
        self.keys[kid] = key, algorithm

    def configuration(self) -> dict[str, Any]:
        self.asked += 1
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys", **self.about}

    def listed(self) -> dict[str, Any]:
        found = []
        for kid, (key, algorithm) in self.keys.items():
            kind = jwt.algorithms.get_default_algorithms()[algorithm]
            found.append({**orjson.loads(kind.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        return {"keys": found, **self.more}

    def token(self, kid: str = "one", header: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token; a claim of None is left out."""
        key, algorithm = self.keys[kid]
        said = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "zhang.san",
            "exp": int(time.time()) + 300,
            "groups": ["staff", "szse-analysts"],
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm, {"kid": kid, "typ": "at+jwt", **(header or {})})


@pytest.fixture
def issuer() -> Iterator[LocalIssuer]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pages = {"/.well-known/openid-configuration": made.configuration, "/keys": made.listed}
            made.waiting += 1
            made.gate.wait()
            self.tell(200, orjson.dumps(pages[self.path]()))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            made.waiting += 1
            made.gate.wait()
            self.tell(*made.given)

        def tell(self, status: int, body: bytes) -> None:
            self.send_response(status)
            made.cookies.append(self.headers["Cookie"])
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Set-Cookie", "whose=somebody's; Path=/")
            self.end_headers()
            with suppress(ConnectionError):
                self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made = LocalIssuer(f"http://127.0.0.1:{server.server_port}")
    made.add("one", rsa.generate_private_key(65537, 2048), "RS256")
    made.gate.set()
    try:
        yield made
    finally:
        made.gate.set()
        server.shutdown()
        server.server_close()
        thread.join()


@asynccontextmanager
async def front(world: World, *known: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with discovery.issuers_client() as asking:
        house = replace(world.house, issuers=Issuers(known, asking))
        transport = httpx.ASGITransport(application(house))
        executing = {EXECUTOR: httpx.ASGITransport(routes(house, build_schema()))}
        async with httpx.AsyncClient(
            transport=transport, mounts=executing, base_url="http://test"
        ) as client:
            yield client


async def ask(client: httpx.AsyncClient, token: str) -> list[httpx.Response]:
    """Ask on both ways."""
    headers = {"Authorization": f"Bearer {token}"}
    return [
        await client.post("/graphql", json={"query": ASKED}, headers=headers),
        await client.get(f"{EXECUTOR}/graphql", params={"query": ASKED}, headers=headers),
    ]


async def statuses(client: httpx.AsyncClient, token: str) -> set[int]:
    return {answer.status_code for answer in await ask(client, token)}


async def granted(
    world: World, url: str, value: str = "szse-analysts", role: Role = Role.LICENSOR_ANALYST
) -> str:
    async with open_operator(world.house.security, "test") as session:
        if role.value.startswith("VENDOR"):
            holder = Holder(vendor_id=await registry.vendor_id(session, "VENDALPHA"))
        else:
            holder = Holder(licensor_id=await registry.licensor_id(session, "SZSEINFO"))
        prefix, _ = await grant(session, holder, role, url, value)
    return prefix


def told(issuer: LocalIssuer) -> OidcIssuer:
    return OidcIssuer(issuer=issuer.url, audience=AUDIENCE)


async def test_a_group_opens_what_was_granted(own: World, issuer: LocalIssuer) -> None:
    prefix = await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        for answer in await ask(client, issuer.token()):
            viewer = answer.json()["data"]["viewer"]
            assert viewer["licensor"] == "SZSEINFO"
            assert viewer["role"] == "LICENSOR_ANALYST"
            assert viewer["name"] == f"oidc:{prefix}:zhang.san"
        assert issuer.asked == 1


async def test_a_revoked_grant_ends_at_once_and_can_be_given_again(
    own: World, issuer: LocalIssuer
) -> None:
    prefix = await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token()) == {200}
        async with open_operator(own.house.security, "test") as session:
            await revoke(session, prefix)
        assert await statuses(client, issuer.token()) == {401}
        assert await granted(own, issuer.url, role=Role.VENDOR_OPERATOR) == prefix
        (plain, _) = await ask(client, issuer.token())
        assert plain.json()["data"]["viewer"]["vendor"] == "VENDALPHA"


@pytest.mark.parametrize("subject", ["\0", "\ud800", "li\nna", "x" * 256, "\u202e"])
async def test_a_subject_that_no_log_can_name_is_refused(
    own: World, issuer: LocalIssuer, subject: str
) -> None:
    await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token(sub="李娜 " * 60)) == {200}
        assert await statuses(client, issuer.token(sub=subject)) == {401}


async def test_two_grants_at_once_are_refused_by_name(own: World, issuer: LocalIssuer) -> None:
    await granted(own, issuer.url)
    await granted(own, issuer.url, "staff", Role.VENDOR_OPERATOR)
    async with front(own, told(issuer)) as client:
        for answer in await ask(client, issuer.token()):
            assert answer.status_code == 401
            assert "staff / szse-analysts" in answer.json()["errors"][0]["message"]
        assert await statuses(client, issuer.token(groups=["staff"])) == {200}


async def test_a_known_token_ends_when_it_expires(
    own: World, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oidc, "_LEEWAY", 0)
    await granted(own, issuer.url)
    expires = int(time.time()) + 8  # enough for a busy machine
    token = issuer.token(exp=expires)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, token) == {200}
        await asyncio.sleep(expires + 0.1 - time.time())
        assert await statuses(client, token) == {401}


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Move the clock by which the age of what an issuer said is measured."""
    for module in (discovery, admission):
        monkeypatch.setattr(module, "monotonic", lambda: time.monotonic() + seconds)


async def test_keys_that_change(
    own: World, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token()) == {200}
        issuer.add("two", ec.generate_private_key(ec.SECP256R1()), "ES256")
        fresh = issuer.token("two")
        assert await statuses(client, fresh) == {401}  # asked a moment ago: not again yet
        later(monkeypatch, 11)
        assert await statuses(client, fresh) == {200}
        old = issuer.token()
        del issuer.keys["one"]
        assert await statuses(client, old) == {200}
        later(monkeypatch, 700)
        assert await statuses(client, old) == {401}  # on both ways, though it was known
        assert await statuses(client, fresh) == {200}


async def test_an_issuer_is_asked_anew_beside_the_work(
    own: World, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token()) == {200}
        right, issuer.about = issuer.about, {"issuer": "https://issuer.example"}
        later(monkeypatch, 400)
        assert await statuses(client, issuer.token()) == {200}
        async with asyncio.timeout(10):
            while issuer.asked < 2:
                await asyncio.sleep(0.01)
        assert await statuses(client, issuer.token()) == {200}  # it failed, and what it said holds
        later(monkeypatch, 700)
        assert await statuses(client, issuer.token()) == {503}
        issuer.about = right
        assert await statuses(client, issuer.token()) == {503}  # left alone for a moment
        later(monkeypatch, 711)
        assert await statuses(client, issuer.token()) == {200}


async def test_who_leaves_while_the_issuer_is_asked_takes_the_answer_from_nobody(
    own: World, issuer: LocalIssuer
) -> None:
    await granted(own, issuer.url)
    issuer.gate.clear()
    async with front(own, told(issuer)) as client, asyncio.timeout(30):
        first = asyncio.create_task(ask(client, issuer.token()))
        while not issuer.waiting:
            await asyncio.sleep(0.01)
        first.cancel()
        others = [asyncio.create_task(statuses(client, issuer.token())) for _ in range(3)]
        await asyncio.sleep(0.1)
        issuer.gate.set()
        assert [await one for one in others] == [{200}] * 3
    assert issuer.asked == 1


@pytest.mark.parametrize("kind", ["RS512", "PS256", "ES384", "EdDSA"])
async def test_algorithms(own: World, issuer: LocalIssuer, kind: str) -> None:
    keys = {
        "ES384": lambda: ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate,
    }
    made = keys.get(kind, lambda: rsa.generate_private_key(65537, 2048))()
    issuer.add("other", made, kind)
    await granted(own, issuer.url)
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token("other")) == {200}


FORGED: dict[str, dict[str, Any]] = {
    "other audience": {"aud": "another"},
    "no audience": {"aud": None},
    "expired": {"exp": 1_700_000_000},
    "no expiry": {"exp": None},
    "not yet": {"nbf": 4_000_000_000},
    "no subject": {"sub": None},
    "other issuer": {"iss": "https://issuer.example"},
    "issuer with a slash": {"iss": "SLASH"},
    "no groups": {"groups": None},
    "groups of numbers": {"groups": [1, 2]},
    "groups as an object": {"groups": {"szse-analysts": True}},
    "another group": {"groups": ["szse-analysts "]},
    "many groups": {"groups": [str(i) for i in range(201)]},
    "long": {"x": "y" * 20_000},
}


@pytest.mark.parametrize("claims", FORGED.values(), ids=FORGED)
async def test_claims_that_are_no_good(
    own: World, issuer: LocalIssuer, claims: dict[str, Any]
) -> None:
    await granted(own, issuer.url)
    claims = {
        name: issuer.url + "/" if value == "SLASH" else value for name, value in claims.items()
    }
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token(**claims)) == {401}


def _part(data: object) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(data)).rstrip(b"=").decode()


async def test_signatures_that_are_no_good(own: World, issuer: LocalIssuer) -> None:
    await granted(own, issuer.url)
    good = issuer.token()
    head, body, signature = good.split(".")
    other = LocalIssuer(issuer.url)
    other.add("one", rsa.generate_private_key(65537, 2048), "RS256")
    public = issuer.keys["one"][0].public_key().public_numbers().n
    claims = jwt.decode(good, options={"verify_signature": False})
    confused = jwt.encode(claims, str(public) * 2, "HS256", {"kid": "one"})
    forged = {
        "another key": other.token(),
        "cut": good[:-4],
        "no signature": f"{head}.{body}.",
        "algorithm none": f"{_part({'alg': 'none', 'kid': 'one'})}.{body}.",
        "symmetric": confused,
        "another body": f"{head}.{_part({**claims, 'sub': 'li.si'})}.{signature}",
        "an ID token's type": issuer.token(header={"typ": "logout+jwt"}),
        "unknown kid": jwt.encode(claims, issuer.keys["one"][0], "RS256", {"kid": "nine"}),
        "no kid": jwt.encode(claims, issuer.keys["one"][0], "RS256"),
        "two dots": "..",
        "not base64": "é.é.é",
        "array": f"{head}.{_part([1])}.{signature}",
    }
    async with front(own, told(issuer)) as client:
        assert await statuses(client, good) == {200}
        for name, token in forged.items():
            found = {
                (
                    await client.post(
                        "/graphql",
                        json={"query": ASKED},
                        headers=[(b"Authorization", f"Bearer {token}".encode())],
                    )
                ).status_code,
            }
            assert found == {401}, name


UNBELIEVABLE: dict[str, dict[str, Any]] = {
    "another issuer": {"issuer": "https://issuer.example"},
    "keys without TLS": {"jwks_uri": "http://issuer.example/keys"},
    "keys nowhere": {"jwks_uri": "https://[::1"},
    "keys at a number": {"jwks_uri": 5},
    "keys that are none": {"keys": None},
    "keys that are no objects": {"keys": [1]},
    "much too long": {"keys": ["x" * 2_000_000]},
}


@pytest.mark.parametrize("about", UNBELIEVABLE.values(), ids=UNBELIEVABLE)
async def test_an_issuer_that_can_not_be_believed(
    own: World, issuer: LocalIssuer, about: dict[str, Any]
) -> None:
    await granted(own, issuer.url)
    issuer.about = issuer.more = about
    async with front(own, told(issuer)) as client:
        for answer in await ask(client, issuer.token()):
            assert answer.status_code == 503
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
    assert issuer.asked == 1


async def test_keys_that_are_no_good_are_passed_over(own: World, issuer: LocalIssuer) -> None:
    await granted(own, issuer.url)
    good = issuer.listed()["keys"]
    odd = [{"kty": ["RSA"]}, {"kty": "RSA", "kid": "two"}, {"kty": "oct", "kid": "one", "k": "eA"}]
    issuer.more = {"keys": [*odd, *good, {**good[0], "use": "enc"}, {**good[0], "kid": 1}]}
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token()) == {200}


async def test_a_key_signs_by_its_own_curve_only(own: World, issuer: LocalIssuer) -> None:
    await granted(own, issuer.url)
    issuer.add("one", ec.generate_private_key(ec.SECP384R1()), "ES384")
    forger = LocalIssuer(issuer.url)
    forger.add("one", ec.generate_private_key(ec.SECP256R1()), "ES256")
    async with front(own, told(issuer)) as client:
        assert await statuses(client, issuer.token()) == {200}
        assert await statuses(client, forger.token()) == {401}


async def test_an_id_token_is_no_access_token(own: World, issuer: LocalIssuer) -> None:
    """Where the client is the audience, its type tells one from the other."""
    await granted(own, issuer.url)
    for client_id, expected in ((AUDIENCE, 401), ("console", 200)):
        known = OidcIssuer(issuer=issuer.url, audience=AUDIENCE, client=client_id)
        async with front(own, known) as client:
            assert await statuses(client, issuer.token(header={"typ": "JWT"})) == {expected}
            assert await statuses(client, issuer.token()) == {200}


async def test_without_issuers_tokens_are_refused(own: World, issuer: LocalIssuer) -> None:
    await granted(own, issuer.url)
    async with front(own) as client:
        assert await statuses(client, issuer.token()) == {401}


async def test_roles_of_the_other_side_are_refused(own: World, issuer: LocalIssuer) -> None:
    async with open_operator(own.house.security, "test") as session:
        holder = Holder(licensor_id=await registry.licensor_id(session, "SZSEINFO"))
        with pytest.raises(BadInput):
            await grant(session, holder, Role.VENDOR_OPERATOR, issuer.url, "x")


def test_settings_name_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_OIDC", '[{"issuer": "https://a.example", "audience": "gateway"}]')
    assert Settings().oidc == (OidcIssuer(issuer="https://a.example", audience="gateway"),)
    for wrong in (
        '[{"issuer": "http://a.example", "audience": "x"}]',
        '[{"issuer": "https://a"}]',
        '[{"issuer": "https://a", "audience": "x"}, {"issuer": "https://a", "audience": "y"}]',
        '[{"issuer": "https://a", "audience": "x", "client_secret": "y"}]',
        '[{"issuer": "https://a", "audience": "x", "client": "c", "client_secret": ""}]',
        '[{"issuer": "https://a", "audience": "x", "parameters": {"client_secret": "y"}}]',
        '[{"issuer": "https://a", "audience": "x", "parameters": {"state": "y"}}]',
    ):
        monkeypatch.setenv("GATEWAY_OIDC", wrong)
        with pytest.raises(ValueError, match="oidc"):
            Settings()
