"""Clients that leave: the work for them ends, down to the statement that runs in the database."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from starlette.types import Receive

T = TypeVar("T")
_AFTER_SECONDS: Final = 0.05
"""Work that is done by then is not worth watching: a task costs more than a timer."""


class Gone(Exception):
    """The client left."""


async def while_there(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a request whose body was read; raise Gone, and end it, if the client leaves.

    A statement that is cancelled is cancelled in PostgreSQL too.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    left = False
    watching: list[asyncio.Task[None]] = []

    async def watch() -> None:
        nonlocal left
        while (await receive())["type"] != "http.disconnect":
            pass
        left = True
        if task is not None:
            task.cancel()

    timer = loop.call_later(_AFTER_SECONDS, lambda: watching.append(loop.create_task(watch())))
    try:
        return await work
    except asyncio.CancelledError:
        if left and task is not None:
            task.uncancel()
            raise Gone from None
        raise
    finally:
        timer.cancel()
        for one in watching:
            one.cancel()
