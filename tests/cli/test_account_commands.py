"""`gateway account`, as a script sees it, and the sign-in that it sets up."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from market import found
from serving import Program

from gateway.app.house import House
from gateway.app.server import application

PASSWORD = "long enough 密码"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    started = Program(tmp_path_factory.mktemp("program"))
    yield started
    started.close()


async def test_an_account_is_added_listed_reset_and_revoked(
    program: Program, house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    secret = tmp_path / "password"
    secret.write_text(f"{PASSWORD}\nnot this\n", encoding="utf-8")

    async def run(*arguments: str | Path) -> Any:
        ran = await program.run(house, "account", *map(str, arguments), "--json")
        return json.loads(ran.out) if ran.code == 0 else (ran.code, ran.err)

    whose = ("--vendor", "A", "--role", "operator", "--password-file", secret)
    made = await run("add", "li.na", *whose)
    assert made["uri"].startswith("otpauth://totp/")
    transport = httpx.ASGITransport(application(house))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:

        async def signs_in(secret: str, steps: int) -> int:
            totp = TOTP(base64.b32decode(secret), 6, SHA1(), 30)
            code = totp.generate(int(time.time()) + 30 * steps).decode()
            given = {"account": "li.na", "password": PASSWORD, "code": code}
            return (await client.post("/session", json=given)).status_code

        assert await signs_in(made["secret"], 0) == 201
        again = await run("reset", "li.na", "--password-file", secret)
        assert again["secret"] != made["secret"]
        assert await signs_in(made["secret"], 1) == 401
        assert await signs_in(again["secret"], 0) == 201
        (told,) = (await run("list"))["accounts"]
        assert (told["name"], told["role"], told["revokedAt"]) == ("li.na", "VENDOR_OPERATOR", None)
        assert (await run("revoke", "li.na"))["changed"]
        assert (await run("list"))["accounts"][0]["revokedAt"]
        assert await signs_in(again["secret"], 1) == 401


async def test_what_is_wrong_is_told(program: Program, house: House, tmp_path: Path) -> None:
    await found(house, "A")
    short, latin = tmp_path / "short", tmp_path / "latin"
    short.write_text("short\n")
    latin.write_bytes(b"caf\xe9 caf\xe9 caf\xe9\n")

    async def refused(*arguments: str | Path) -> tuple[int, str]:
        ran = await program.run(house, "account", *map(str, arguments))
        return ran.code, ran.err

    for arguments, code, said in (
        (("add", "a", "--vendor", "A", "--role", "operator"), 2, "no terminal"),
        (("add", "a", "--vendor", "A", "--role", "operator", "--password-file", short), 2, "12 to"),
        (("add", "a", "--vendor", "A", "--role", "operator", "--password-file", latin), 2, "UTF-8"),
        (("add", "a", "--vendor", "A", "--role", "x", "--password-file", short), 2, "auditor"),
        (("add", "a", "--role", "operator", "--password-file", short), 2, "--vendor"),
        (("add", "a", "--vendor", "B", "--role", "x", "--password-file", short), 1, "B"),
        (
            ("add", "a", "--vendor", "A", "--role", "operator", "--password-file", tmp_path / "no"),
            3,
            "No such file",
        ),
        (("reset", "nobody", "--password-file", short), 1, "nobody"),
        (("revoke", "nobody"), 1, "nobody"),
    ):
        assert (await refused(*arguments))[0] == code, arguments
        assert said in (await refused(*arguments))[1], arguments
