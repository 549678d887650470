"""In which duty a command acts: the platform's, its security's or its audit's."""

import getpass
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

from gateway.app.house import House
from gateway.cli.run import in_house
from gateway.tenancy.operator import OperatorSession, open_operator

T = TypeVar("T")

Duty = Literal["operator", "security", "auditor"]


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


def acting(duty: Duty, work: Callable[[OperatorSession], Awaitable[T]]) -> T:
    """Open the house and do a work in a duty's session."""

    async def opened(house: House) -> T:
        async with on_duty(house, duty) as session:
            return await work(session)

    return in_house(opened)
