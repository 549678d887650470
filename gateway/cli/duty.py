"""In which duty a command acts: the platform's, its security's or its audit's."""

import getpass
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Literal, TypeAlias, TypeVar

import typer

from gateway.app.house import House
from gateway.audit.access import Access
from gateway.audit.access import acting as part_of
from gateway.cli.run import in_house
from gateway.tenancy.operator import OperatorSession, open_operator
from gateway.tenancy.terms import read_purpose

T = TypeVar("T")

Duty = Literal["operator", "security", "auditor"]
Purpose: TypeAlias = Annotated[
    str, typer.Option(help="For what personal data is shown; it is logged.")
]
AT_THE_COMMAND_LINE = "command line"
"""The purpose, unless another is stated."""


def actor(duty: Duty = "operator") -> str:
    """Return how the audit log calls whoever sits at the command line."""
    try:
        return f"{duty}:{getpass.getuser()}"
    except (KeyError, OSError):
        return duty


@asynccontextmanager
async def on_duty(house: House, duty: Duty = "operator") -> AsyncIterator[OperatorSession]:
    """Open a session in a duty."""
    engines = {"operator": house.operator, "security": house.security, "auditor": house.auditor}
    async with open_operator(engines[duty], actor(duty)) as session:
        yield session


@contextmanager
def stated(purpose: str) -> Iterator[None]:
    """Have what is done at the command line say for what purpose it shows personal data."""
    access = Access({"client": ("command line", 0)}, "command")
    access.purpose = read_purpose(purpose, "--purpose")
    with part_of(access):
        yield


def acting(duty: Duty, work: Callable[[OperatorSession], Awaitable[T]]) -> T:
    """Open the house and do a work in a duty's session."""

    async def opened(house: House) -> T:
        async with on_duty(house, duty) as session:
            return await work(session)

    return in_house(opened)
