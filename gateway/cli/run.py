"""What all commands share: opening the house, telling results and errors, exit codes."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import SQLAlchemyError

from gateway.app.house import House, open_house
from gateway.app.migrate import migrate
from gateway.config.settings import Settings, settings
from gateway.errors import BadInput, GatewayError, Unavailable

T = TypeVar("T")

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
console = Console(stderr=True, highlight=False, soft_wrap=True)


def actor() -> str:
    """Return how the audit log calls whoever sits at the command line."""
    try:
        return f"operator:{getpass.getuser()}"
    except (KeyError, OSError):
        return "operator"


def configured() -> Settings:
    """Return the settings; BadInput names the variable that is wrong."""
    try:
        return settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"GATEWAY_{str(first['loc'][0]).upper()}"
        raise BadInput(
            f"{name}: {first['msg']}", f"{name}：{first['msg']}", argument=name
        ) from None


def in_house(work: Callable[[House], Awaitable[T]]) -> T:
    """Open the house, bring its schema up to date if it is embedded, and do the work."""

    async def opened() -> T:
        config = configured()
        async with open_house(config) as house:
            if config.database_url is None:
                await migrate(house.addresses)
            return await work(house)

    return run(opened)


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run to the end, or tell the error and leave with its exit code."""
    try:
        return asyncio.run(_awaited(work))
    except GatewayError as error:
        fail(error)
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except BrokenPipeError:
        # whoever read our output has gone: say no more, and let the interpreter close quietly
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(3) from None
    except (OSError, SQLAlchemyError) as error:
        what = getattr(error, "strerror", None) or type(error).__name__
        where = getattr(error, "filename", None)
        fail(Unavailable(f"{what}{f': {where}' if where else ''}", f"系统错误：{what}"))


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def fail(error: GatewayError) -> NoReturn:
    """Tell an error on standard error and leave with its exit code."""
    console.print(f"[red]error:[/] {_plain(error.en)}")
    if error.argument:
        console.print(f"  where: {_plain(error.argument)}")
    if error.accepted:
        console.print(f"  accepted: {_plain(error.accepted)}")
    raise typer.Exit(error.exit_code)


def tell(result: dict[str, Any], text: str, *, json: bool) -> None:
    """Print a result: as one line of JSON, or as text."""
    sys.stdout.write((orjson.dumps(result, default=str).decode() if json else text) + "\n")


def _plain(text: str) -> str:
    """Escape what rich would take for markup."""
    return escape(text)
