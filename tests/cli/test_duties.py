"""Three people, each with a login of one duty: everybody does their own, and is told what is not."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
import pytest
from processes import Place
from serving import Ran

from gateway.db.embedded import SERVICE, EmbeddedPostgres

DUTIES = ("operator", "security", "auditor")


@dataclass
class Office:
    """A gateway on a database to which people have logins of their own."""

    place: Place
    server: EmbeddedPostgres

    async def run(self, duty: str, *arguments: str) -> Ran:
        """Run a command with the login of a duty; `web` is the service's, with no duty."""
        service = self.server.url(SERVICE)
        rest = service.partition("@")[2]
        own = service if duty == "web" else f"postgresql://person_{duty}:x@{rest}"
        process = await self.place.start(
            *arguments, GATEWAY_DATABASE_URL=service, GATEWAY_MIGRATE_URL=own
        )
        out, err = await process.communicate()
        assert process.returncode is not None
        return Ran(process.returncode, out, err.decode())


@pytest.fixture(scope="module")
async def office() -> AsyncIterator[Office]:
    place = Place()
    with EmbeddedPostgres(place.data, durable=False) as server:
        async with place.house():
            pass
        maker = await asyncpg.connect(server.url("postgres"))
        for duty in DUTIES:
            await maker.execute(
                f"CREATE ROLE person_{duty} LOGIN PASSWORD 'x' IN ROLE gateway_{duty}"
            )
        await maker.close()
        made = Office(place, server)
        assert (await made.run("operator", "vendor", "add", "A", "甲公司")).code == 0
        yield made
    place.remove()


ACTS = {
    "operator": (
        ("vendor", "add", "A", "甲公司"),
        ("product", "add", "P", "--licensor", "SZSEINFO"),
    ),
    "security": (
        ("key", "issue", "--licensor", "SZSEINFO", "--role", "analyst"),
        ("origin", "list", "--vendor", "A"),
        ("account", "list"),
        (
            *("oidc", "grant", "analysts", "--issuer", "https://login.example.com"),
            *("--licensor", "SZSEINFO", "--role", "analyst"),
        ),
    ),
    "auditor": (("audit", "verify"), ("audit", "checkpoint"), ("audit", "rotate")),
}


@pytest.mark.parametrize("duty", DUTIES)
async def test_everybody_does_their_own(office: Office, duty: str) -> None:
    for arguments in ACTS[duty]:
        ran = await office.run(duty, *arguments)
        assert ran.code == 0, (arguments, ran.err)


@pytest.mark.parametrize("duty", [*DUTIES, "web"])
async def test_nobody_does_anothers(office: Office, duty: str) -> None:
    for other in DUTIES:
        if other != duty:
            ran = await office.run(duty, *ACTS[other][0])
            assert ran.code == 3
            assert f"does not have the duty of gateway_{other}" in ran.err
            assert f"a login to which gateway_{other} is granted" in ran.err


async def test_the_doctor_names_who_has_more_than_one(office: Office) -> None:
    maker = await asyncpg.connect(office.server.url("postgres"))
    try:
        assert "nobody has more than one" not in await said(office)  # the owner has all
        assert "person_" not in await said(office)
        await maker.execute("GRANT gateway_auditor TO person_security")
        assert "person_security has auditor and security" in await said(office)
        await maker.execute("GRANT gateway_auditor TO gateway_service")
        ran = await office.run("web", "doctor")
        assert ran.code == 3
        assert "gateway_service serves, and may act as auditor" in ran.out.decode()
    finally:
        await maker.execute("REVOKE gateway_auditor FROM person_security, gateway_service")
        await maker.close()


async def said(office: Office) -> str:
    ran = await office.run("web", "doctor")
    assert ran.code == 0, ran.out
    return ran.out.decode()


async def test_the_log_says_in_which_duty(office: Office) -> None:
    assert (await office.run("security", *ACTS["security"][0])).code == 0
    rotated = json.loads((await office.run("auditor", "audit", "rotate", "--json")).out)["key"]
    auditor = await asyncpg.connect(office.server.url("postgres"))
    try:
        found = await auditor.fetch(
            "SELECT DISTINCT split_part(actor, ':', 1) d, action FROM audit_events"
        )
    finally:
        await auditor.close()
    assert rotated
    assert {("security", "key.issue"), ("auditor", "audit.key")} <= {
        (one[0], one[1]) for one in found
    }
    assert ("operator", "key.issue") not in {(one[0], one[1]) for one in found}
