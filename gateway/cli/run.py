"""What all commands share: opening the house, telling results and errors, exit codes."""

import asyncio
import json as plain_json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Annotated, Any, NoReturn, TypeVar

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from gateway.app.house import House, open_house
from gateway.config.settings import Settings, settings
from gateway.config.signals import STOPPING
from gateway.errors import BadInput, GatewayError, Unavailable
from gateway.tenancy.reach import DATABASE_ERRORS, outdated, translated

T = TypeVar("T")

if sys.platform == "win32":
    _server_loop = asyncio.new_event_loop
else:
    from uvloop import new_event_loop as _server_loop

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
_NO_SUCH_OBJECT = {"42P01", "42703", "42883", "3F000"}
console = Console(stderr=True, highlight=False, soft_wrap=True)


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
                from gateway.app.migrate import migrate  # noqa: PLC0415 (Alembic takes its time)

                await migrate(house.addresses)
            return await work(house)

    return run(opened)


def run(work: Callable[[], Awaitable[T]], *, serving: bool = False) -> T:
    """Run to the end, or tell the error and leave with its exit code; servers on a faster loop."""
    try:
        with asyncio.Runner(loop_factory=_server_loop if serving else None) as runner:
            return runner.run(_until_told(work))
    except GatewayError as error:
        fail(error)
    except BrokenPipeError:
        _hush()
        raise typer.Exit(3) from None
    except (*DATABASE_ERRORS, SQLAlchemyError) as error:
        fail(_told(error))


def _told(error: Exception) -> GatewayError:
    """Say what failed: never the database's own message, which may carry values of rows."""
    found = translated(error) if isinstance(error, DBAPIError) else error
    if isinstance(found, GatewayError):
        return found
    if getattr(getattr(error, "orig", error), "sqlstate", None) in _NO_SUCH_OBJECT:
        return outdated()
    what = getattr(error, "strerror", None) or type(error).__name__
    where = getattr(error, "filename", None)
    return Unavailable(f"{what}{f': {where}' if where else ''}", f"系统错误：{what}")


async def _until_told(work: Callable[[], Awaitable[T]]) -> T:
    """Do the work; a signal to stop cancels it, so that all it holds is let go. A second leaves."""
    task = asyncio.current_task()
    told: list[int] = []
    before: dict[int, Any] = {}

    def restore() -> None:
        for one, handler in before.items():
            signal.signal(one, handler)

    def stop(number: int, _: FrameType | None) -> None:
        told.append(number)
        restore()
        if task is not None:
            task.get_loop().call_soon_threadsafe(task.cancel)

    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, stop)
    try:
        return await work()
    except (Exception, asyncio.CancelledError):
        if told:
            raise typer.Exit(128 + told[0]) from None
        raise
    finally:
        restore()


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
    say(_json(result) if json else text)


def say(text: str) -> None:
    """Write to standard output, and see that it gets there."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _hush()
        raise typer.Exit(3) from None
    except OSError as error:
        _hush()
        fail(_told(error))


def to_the_end(program: Callable[[], None]) -> None:
    """Run the program; where its last output does not get there, leave with 3."""
    try:
        try:
            program()
        finally:
            sys.stdout.flush()
    except OSError as error:
        _hush()
        if not isinstance(error, BrokenPipeError):
            console.print(f"[red]error:[/] {_plain(_told(error).en)}")
        sys.exit(3)


def _hush() -> None:
    """Say no more on standard output, whose reader or room is gone: also not when leaving."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _json(result: dict[str, Any]) -> str:
    """Write JSON, also of a path whose bytes are no text."""
    try:
        return orjson.dumps(result, default=str).decode()
    except orjson.JSONEncodeError:
        return plain_json.dumps(result, default=str)


def _plain(text: str) -> str:
    """Escape what rich would take for markup."""
    return escape(text)
