"""People who sign in at a certified issuer on this machine (oidc-provider), with code and PKCE."""

import asyncio
import base64
import hashlib
import json
import re
import secrets
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import asyncpg
import httpx
import pytest
from npm import ENVIRONMENT, install
from pydantic import SecretStr
from test_oidc import AUDIENCE, EXECUTOR, LocalIssuer, front, granted, issuer
from worlds import ALPHA, PRINCIPALS, SZSE, Principal, World

from gateway.config.settings import OidcIssuer
from gateway.tenancy.principal import Role

__all__ = ["issuer"]  # the fixture

PLACE = Path(__file__).parent / "issuer"
REDIRECT = "https://console.example/signed-in"
SECRET = "s%: &e/cret+"  # characters that have to be written otherwise
RESOURCE = f"urn:{AUDIENCE}"
GROUPS = {
    "li.na": ["szse-analysts"],
    "wang.fang": ["alpha-operators"],
    "visitor": ["visitors"],
    "both": ["szse-analysts", "alpha-operators"],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The issuer's address."""
    program = install(PLACE, tmp_path_factory.mktemp("issuer") / "issuer")
    wanted = {"audience": RESOURCE, "redirect": REDIRECT, "secret": SECRET, "groups": GROUPS}
    with subprocess.Popen(
        ["node", "issuer.mjs", json.dumps(wanted)],
        cwd=program,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as running:
        assert running.stdout is not None
        try:
            address = running.stdout.readline().strip()
            assert address.startswith("http://"), "node printed no address"
            yield address
        finally:
            running.kill()


def told(place: str, client: str = "console", **other: Any) -> OidcIssuer:
    given = {
        "issuer": place,
        "audience": RESOURCE,
        "client": client,
        "client_secret": SecretStr(SECRET) if client == "console" else None,
        "parameters": {"resource": RESOURCE},
    }
    return OidcIssuer(**given | other)


@dataclass
class Page:
    """The page that sends somebody to the issuer and is come back to."""

    client: httpx.AsyncClient
    issuer: str
    verifier: str

    @classmethod
    def of(cls, client: httpx.AsyncClient, place: str) -> "Page":
        return cls(client, place, secrets.token_urlsafe(48))

    async def code(self, name: str) -> str:
        """Have somebody sign in and consent, as a browser does; return what they come back with."""
        offers = (await self.client.get("/session/issuers")).json()["issuers"]
        (offer,) = [one for one in offers if one["issuer"] == self.issuer]
        assert offer["namesItself"]
        state, digest = secrets.token_urlsafe(8), hashlib.sha256(self.verifier.encode()).digest()
        more = {
            "redirect_uri": REDIRECT,
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        forms = iter([{"prompt": "login", "login": name, "password": "x"}, {"prompt": "consent"}])
        async with httpx.AsyncClient() as browser:
            answer = await browser.get(httpx.URL(offer["authorize"]).copy_merge_params(more))
            while True:
                assert answer.status_code in {200, 302, 303}, answer.text
                if answer.status_code == 200:
                    (to,) = re.findall(r'<form[^>]* action="([^"]+)"', answer.text)
                    answer = await browser.post(answer.url.join(to), data=next(forms))
                elif answer.headers["location"].startswith(REDIRECT):
                    break
                else:
                    answer = await browser.get(answer.url.join(answer.headers["location"]))
        back = parse_qs(urlsplit(answer.headers["location"]).query)
        assert back["state"] == [state]
        assert back["iss"] == [self.issuer]  # RFC 9207
        return back["code"][0]

    async def bring(self, code: str, **other: str) -> httpx.Response:
        given = {"issuer": self.issuer, "code": code, "verifier": self.verifier}
        return await self.client.post(
            "/session/issuers", json=given | {"redirect": REDIRECT} | other
        )


async def grant_all(world: World, place: str) -> dict[str, str]:
    """Return the grants' prefixes by who they are for."""
    return {
        "li.na": await granted(world, place),
        "wang.fang": await granted(world, place, "alpha-operators", Role.VENDOR_OPERATOR),
    }


@pytest.mark.parametrize("kind", ["console", "script"])
@pytest.mark.parametrize(("name", "who"), [("li.na", SZSE), ("wang.fang", ALPHA)])
async def test_who_signs_in_sees_what_was_granted_and_nobody_elses(
    shared: World, place: str, kind: str, name: str, who: Principal
) -> None:
    grants = await grant_all(shared, place)
    query = "{ viewer { name } users { totalCount nodes { userId userName } } }"
    async with front(shared, told(place, kind)) as client:
        page = Page.of(client, place)
        answer = await page.bring(await page.code(name))
        assert answer.status_code == 201, answer.text
        assert answer.headers["cache-control"] == "no-store"
        token = answer.json()["token"]
        left = datetime.fromisoformat(answer.json()["expiresAt"]) - datetime.now(UTC)
        assert timedelta(seconds=200) < left < timedelta(seconds=400)
        mine = await shared.answer(who, "{ users { totalCount nodes { userId userName } } }")
        for base in ("", EXECUTOR):
            headers = {"Authorization": f"Bearer {token}", "Gateway-Purpose": "test"}
            asked = await client.post(f"{base}/graphql", json={"query": query}, headers=headers)
            seen = asked.json()["data"]
            assert seen["viewer"]["name"] == f"oidc:{grants[name]}:{name}"
            assert seen["users"] == mine["users"]
            assert not [word for word in who.canaries if word in str(seen)]


async def test_a_sign_in_is_an_act_in_the_holders_own_log(shared: World, place: str) -> None:
    grants = await grant_all(shared, place)
    async with front(shared, told(place)) as client:
        page = Page.of(client, place)
        code = await page.code("wang.fang")
        token = (await page.bring(code)).json()["token"]
    actor = f"oidc:{grants['wang.fang']}:wang.fang"
    query = "{ auditEvents(first: 1000) { nodes { actor action } } }"
    logs = {one: str(await shared.answer(one.auditor, query)) for one in PRINCIPALS}
    opened = str({"actor": actor, "action": "session.open"})
    assert opened in logs[ALPHA]
    assert not [one for one in PRINCIPALS if one is not ALPHA and actor in logs[one]]
    admin = await asyncpg.connect(shared.admin)
    rows = await admin.fetch("SELECT * FROM audit_events")
    await admin.close()
    for secret in (code, token, page.verifier, SECRET):
        assert not any(secret in str(dict(row)) for row in rows)


async def test_codes_that_are_not_taken(shared: World, place: str) -> None:
    await grant_all(shared, place)
    async with front(shared, told(place)) as client:
        page = Page.of(client, place)
        code = await page.code("li.na")
        other = secrets.token_urlsafe(48)
        refused = [await page.bring(await page.code("li.na"), verifier=other)]
        refused.append(await page.bring(await page.code("li.na"), redirect=f"{REDIRECT}/"))
        refused.append(await page.bring("nonsense"))
        assert (await page.bring(code)).status_code == 201
        refused.append(await page.bring(code))  # a second time
        for answer in refused:
            assert answer.status_code == 401, answer.text
            (error,) = answer.json()["errors"]
            assert error["message"] == "the issuer does not take this code"
            assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_somebody_without_a_grant_or_with_two(shared: World, place: str) -> None:
    await grant_all(shared, place)
    async with front(shared, told(place)) as client:
        page = Page.of(client, place)
        for name, why in (
            ("visitor", "no valid credential"),
            ("both", "alpha-operators / szse-analysts"),
        ):
            answer = await page.bring(await page.code(name))
            assert answer.status_code == 401
            message = answer.json()["errors"][0]["message"]
            assert message.startswith("signed in at the issuer, whose token opens nothing here: ")
            assert why in message


async def test_a_token_that_is_not_meant_for_the_gateway(shared: World, place: str) -> None:
    """Without the resource, or for another audience, what the issuer gives is no use here."""
    await grant_all(shared, place)
    for other in ({"parameters": {}}, {"audience": "another"}):
        async with front(shared, told(place, **other)) as client:
            page = Page.of(client, place)
            answer = await page.bring(await page.code("li.na"))
            assert answer.status_code == 401
            assert "opens nothing here" in answer.text


async def test_a_client_whose_secret_is_wrong_is_the_operators_matter(
    shared: World, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with front(shared, told(place, client_secret=SecretStr("another"))) as client:
        page = Page.of(client, place)
        answer = await page.bring(await page.code("li.na"))
        assert answer.status_code == 503
        assert "invalid_client" in caplog.text
        assert not [word for word in ("invalid_client", "another") if word in answer.text]


async def test_only_issuers_with_a_client_are_offered(shared: World, place: str) -> None:
    async with front(shared, OidcIssuer(issuer=place, audience=RESOURCE)) as client:
        assert (await client.get("/session/issuers")).json() == {"issuers": []}
        answer = await Page.of(client, place).bring("x")
        assert answer.status_code == 400
        extensions = answer.json()["errors"][0]["extensions"]
        assert extensions["argument"] == "issuer"
        assert "names no client" in extensions["accepted"]
    async with front(shared, told(place)) as client:
        answer = await Page.of(client, place).bring("x", issuer="https://evil.example")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["extensions"]["accepted"] == place
        offers = (await client.get("/session/issuers")).text
        assert not [one for one in (SECRET, quote(SECRET, ""), quote_plus(SECRET)) if one in offers]


async def test_an_issuer_that_does_not_answer(
    shared: World, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are offered all the same; it is asked once, and then left alone for a while."""
    gone = told("http://127.0.0.1:9/realm")
    async with front(shared, gone, told(place)) as client:
        for _ in range(2):
            first, second = (await client.get("/session/issuers")).json()["issuers"]
            assert first == {"issuer": gone.issuer, "authorize": None, "namesItself": False}
            assert second["authorize"].startswith(f"{place}/auth?")
        answer = await Page.of(client, gone.issuer).bring("x")
        assert answer.status_code == 503
        assert caplog.text.count("ConnectError") == 1  # what is where is not its callers' to know
        assert "ConnectError" not in answer.text


ANSWERS: dict[str, tuple[int, bytes, int]] = {
    "no JSON": (200, b"<html>", 503),
    "a list": (200, b"[]", 503),
    "no token": (200, b'{"token_type": "Bearer"}', 503),
    "another type": (200, b'{"token_type": "DPoP", "access_token": "x"}', 503),
    "no JWT": (200, b'{"token_type": "Bearer", "access_token": "opaque"}', 401),
    "no text": (200, b'{"token_type": "Bearer", "access_token": "\\ud800"}', 503),
    "too long": (200, b" " * 2_000_000, 503),
    "too deep": (200, b"[" * 100_000, 503),
    "its fault": (500, b"{}", 503),
    "elsewhere": (302, b"", 503),
    "an error with markup": (400, b'{"error": "<script>"}', 503),
    "a wrong code": (403, b'{"error": "invalid_grant"}', 401),
}


@pytest.mark.parametrize(("status", "body", "expected"), ANSWERS.values(), ids=ANSWERS)
async def test_answers_that_are_no_token(
    shared: World, issuer: LocalIssuer, status: int, body: bytes, expected: int
) -> None:
    issuer.about = {"token_endpoint": f"{issuer.url}/token"}
    issuer.given = status, body
    async with front(shared, told(issuer.url, "script")) as client:
        answer = await Page.of(client, issuer.url).bring("x")
    assert answer.status_code == expected, answer.text
    code = "UNAUTHENTICATED" if expected == 401 else "UNAVAILABLE"
    assert answer.json()["errors"][0]["extensions"]["code"] == code
    assert "<" not in answer.text


async def test_an_issuer_vouches_for_its_own_tokens_alone(
    shared: World, place: str, issuer: LocalIssuer
) -> None:
    """Not for a key that it got hold of, nor for another issuer's token."""
    await grant_all(shared, place)
    async with front(shared, told(place)) as client:
        page = Page.of(client, place)
        token = (await page.bring(await page.code("li.na"))).json()["token"]
    issuer.about = {"token_endpoint": f"{issuer.url}/token"}
    known = (told(place), told(issuer.url, "script", audience=AUDIENCE))
    await granted(shared, issuer.url)
    async with front(shared, *known) as client:
        for given, expected in ((ALPHA.key.text, 401), (token, 401), (issuer.token(), 201)):
            body = {"token_type": "Bearer", "access_token": given}
            issuer.given = 200, json.dumps(body).encode()
            answer = await Page.of(client, issuer.url).bring("x")
            assert answer.status_code == expected, answer.text
    assert set(issuer.cookies) == {None}  # what it sets for one is not shown by the next


async def test_a_place_that_is_none_takes_no_other_issuer_away(
    shared: World, place: str, issuer: LocalIssuer
) -> None:
    for wrong in ("https://a:x/", "https://[::1", "ftp://a.example/", 5, "http://evil.example/a"):
        issuer.about = {"authorization_endpoint": wrong}
        async with front(shared, told(issuer.url), told(place)) as client:
            first, second = (await client.get("/session/issuers")).json()["issuers"]
            assert (first["authorize"], second["issuer"]) == (None, place)
            assert second["authorize"]


async def test_an_insecure_place_is_not_asked(
    shared: World, issuer: LocalIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.about = {"token_endpoint": "http://evil.example/token"}
    async with front(shared, told(issuer.url)) as client:
        answer = await Page.of(client, issuer.url).bring("x")
    assert answer.status_code == 503
    assert "token_endpoint" in caplog.text
    assert "token_endpoint" not in answer.text


@pytest.mark.parametrize(
    ("body", "place_of_it"),
    [
        (b"{}", "issuer"),
        (b"[]", "body"),
        (b"{", "body"),
        (b'{"issuer": "x", "code": "x", "verifier": "short", "redirect": "x"}', "verifier"),
        (b'{"issuer": "x", "code": "", "verifier": "%s", "redirect": "x"}' % (b"v" * 43), "code"),
        (b'{"issuer": 1}', "issuer"),
    ],
)
async def test_malformed_bodies(
    shared_front: httpx.AsyncClient, body: bytes, place_of_it: str
) -> None:
    answer = await shared_front.post(
        "/session/issuers", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["extensions"]["argument"] == place_of_it
    form = await shared_front.post("/session/issuers", data={"issuer": "x"})
    assert form.status_code == 415


async def test_few_codes_wait_at_a_time(shared: World, place: str, issuer: LocalIssuer) -> None:
    """Who has no credential can have the gateway ask an issuer, but not at once without end."""
    issuer.about = {"token_endpoint": f"{issuer.url}/token"}
    issuer.given = 403, b'{"error": "invalid_grant"}'
    async with front(shared, told(issuer.url), told(place)) as client, asyncio.timeout(60):
        await client.get("/session/issuers")
        issuer.gate.clear()
        issuer.waiting, page = 0, Page.of(client, issuer.url)
        waiting = [asyncio.create_task(page.bring("x")) for _ in range(4)]
        while issuer.waiting < 4:
            await asyncio.sleep(0.01)
        refused = await page.bring("x")
        elsewhere = await Page.of(client, place).bring("x")
        issuer.gate.set()
        assert [(await one).status_code for one in waiting] == [401] * 4
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "3"
    assert elsewhere.status_code == 401
