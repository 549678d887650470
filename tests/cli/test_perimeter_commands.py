"""`gateway origin`, `gateway document` and `gateway key issue --trusted-only`, as a script sees them."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphing import calling
from market import found
from serving import Program, Ran

from gateway.app.house import House
from gateway.tenancy.principal import Role

PAGE = "query Page { viewer { vendor } }\n"
Run = Callable[..., Awaitable[Ran]]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


@pytest.fixture
async def run(program: Program, house: House) -> Run:
    await found(house, "ACME")

    async def ran(*arguments: str | Path) -> Ran:
        return await program.run(house, *map(str, arguments), "--vendor", "ACME", "--json")

    return ran


async def done(run: Run, *arguments: str | Path) -> Any:
    ran = await run(*arguments)
    assert ran.code == 0, ran.err
    return json.loads(ran.out)


async def test_origins_are_registered_listed_and_taken_back(run: Run) -> None:
    assert (await done(run, "origin", "add", "HTTPS://Portal.example:443"))["changed"]
    assert not (await done(run, "origin", "add", "https://portal.example"))["changed"]
    assert (await done(run, "origin", "add", "http://[::1]:8080"))["changed"]
    listed = {"origins": ["http://[::1]:8080", "https://portal.example"]}
    assert await done(run, "origin", "list") == listed
    await done(run, "origin", "remove", "https://portal.example")
    assert await done(run, "origin", "list") == {"origins": ["http://[::1]:8080"]}
    assert (await run("origin", "remove", "https://portal.example")).code == 1
    for wrong in ("*", "null", "portal.example", "https://x/path", "ftp://x", "https://a b"):
        refused = await run("origin", "add", wrong)
        assert (refused.code, "accepted" in refused.err) == (2, True), wrong


@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_documents_are_registered_and_run_by_a_key_for_them(
    run: Run, house: House, tmp_path: Path, end: str
) -> None:
    file = tmp_path / "page.graphql"
    page = PAGE.replace("\n", end)
    file.write_bytes(page.encode())
    name = f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
    assert await done(run, "document", "add", file) == {"changed": True, "documentId": name}
    assert await done(run, "document", "add", file) == {"changed": False, "documentId": name}
    (listed,) = (await done(run, "document", "list"))["documents"]
    assert listed == {"name": "page", "digest": name.removeprefix("sha256:")}
    made = await done(run, "key", "issue", "--role", "portal", "--trusted-only")
    async with calling(house, vendor="ACME", role=Role.VENDOR_PORTAL) as caller:

        async def post(**body: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {made['key']}"}
            return await caller.client.post("/graphql", json=body, headers=headers)

        answer = await post(documentId=name)
        assert answer.json()["data"] == {"viewer": {"vendor": "ACME"}}
        assert (await post(query=page)).json()["data"] == {"viewer": {"vendor": "ACME"}}
        assert (await post(query="{ viewer { vendor } }")).status_code == 403
        await done(run, "document", "remove", name)
        assert (await post(documentId=name)).status_code == 404
    assert (await run("document", "remove", name)).code == 1


@pytest.mark.parametrize(
    ("text", "code"),
    [(b"{ nothing }", 2), (b"\xff", 2), (b"{", 2), (b"{ viewer { " + b"name " * 400 + b"} }", 2)],
)
async def test_a_document_that_would_not_run_is_refused(
    run: Run, tmp_path: Path, text: bytes, code: int
) -> None:
    file = tmp_path / "page.graphql"
    file.write_bytes(text)
    refused = await run("document", "add", file)
    assert (refused.code, "accepted" in refused.err) == (code, True)
    assert (await done(run, "document", "list"))["documents"] == []


async def test_a_licensors_key_can_not_be_for_documents_only(
    program: Program, house: House
) -> None:
    arguments = ("key", "issue", "--licensor", "SZSEINFO", "--role", "analyst", "--trusted-only")
    refused = await program.run(house, *arguments)
    assert (refused.code, "vendor's key" in refused.err) == (2, True)
