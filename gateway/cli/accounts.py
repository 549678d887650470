"""`gateway account …`: people who sign in with a password and a code."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.app.house import House
from gateway.catalogue import registry
from gateway.cli.catalogue import holder_of, told
from gateway.cli.duty import acting, on_duty
from gateway.cli.run import Json, in_house, say, tell
from gateway.errors import BadInput, Unavailable
from gateway.tenancy import accounts
from gateway.tenancy.accounts import Provisioned
from gateway.tenancy.issue import role_for
from gateway.tenancy.operator import OperatorSession

account = typer.Typer(
    help="Accounts of people, who sign in with a password and a code.", no_args_is_help=True
)

Name = Annotated[str, typer.Argument(help="The account's name.")]
PasswordFile = Annotated[
    Path | None,
    typer.Option("--password-file", help="Where the password stands, - for standard input."),
]


@account.command("add")
def add_account(
    name: Name,
    role: Annotated[str, typer.Option(help="analyst, administrator, operator or auditor.")],
    vendor: Annotated[str | None, typer.Option(help="Code of the vendor.")] = None,
    licensor: Annotated[str | None, typer.Option(help="Code of the data company.")] = None,
    password_file: PasswordFile = None,
    json: Json = False,
) -> None:
    """Add an account; print what sets up its authenticator, the only time it can be seen."""

    async def work(house: House) -> Provisioned:
        password = _password(password_file)
        async with on_duty(house, "security") as session:
            holder = await holder_of(session, vendor, licensor)
            granted = role_for(role, holder)
            made = await accounts.add_account(session, house.seeds, holder, granted, name, password)
            await registry.log(
                session, "account.add", holder.number, account=name, role=granted.value
            )
            return made

    _provisioned(in_house(work), json=json)


@account.command("reset")
def reset_account(name: Name, password_file: PasswordFile = None, json: Json = False) -> None:
    """Give an account another password and authenticator, unlock it, end its sessions."""

    async def work(house: House) -> Provisioned:
        password = _password(password_file)
        async with on_duty(house, "security") as session:
            made, holder = await accounts.reset_account(session, house.seeds, name, password)
            await registry.log(session, "account.reset", holder.number, account=name)
            return made

    _provisioned(in_house(work), json=json)


@account.command("revoke")
def revoke_account(name: Name, json: Json = False) -> None:
    """Revoke an account and its sessions, at once and for good."""

    async def work(session: OperatorSession) -> bool:
        holder = await accounts.revoke_account(session, name)
        await registry.log(session, "account.revoke", holder.number, account=name)
        return True

    told(acting("security", work), f"account {name} revoked", json)


@account.command("list")
def list_accounts(json: Json = False) -> None:
    """List accounts: name, role, whether revoked, until when locked."""

    async def work(session: OperatorSession) -> list[dict[str, Any]]:
        await registry.log(session, "account.list")
        return list(await accounts.list_accounts(session))

    found = acting("security", work)
    lines = [
        " ".join(
            [
                one["name"],
                one["role"],
                *(["revoked"] if one["revokedAt"] else []),
                *([f"locked until {one['lockedUntil']}"] if one["lockedUntil"] else []),
            ]
        )
        for one in found
    ]
    tell({"accounts": found}, "\n".join(lines), json=json)


def _password(file: Path | None) -> str:
    """Read a password from a file's first line, or ask for it at the terminal, twice."""
    if file is None:
        if not sys.stdin.isatty():
            raise BadInput(
                "there is no terminal to ask for the password at",
                "没有可输入密码的终端",
                argument="--password-file",
                accepted="a file, or - for standard input",
            )
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    try:
        if str(file) == "-":
            first = sys.stdin.buffer.readline()
        else:
            with file.open("rb") as lines:
                first = lines.readline()
        return first.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise BadInput(
            f"{file} is not UTF-8",
            f"{file}不是UTF-8编码",
            argument="--password-file",
            accepted="UTF-8",
        ) from None
    except OSError as error:
        raise Unavailable(f"{file}: {error.strerror}", f"无法读取{file}") from None


def _provisioned(made: Provisioned, *, json: bool) -> None:
    result = {"account": made.name, "secret": made.secret, "uri": made.uri}
    if json:
        tell(result, "", json=True)
    else:
        say(made.uri)
