"""The floor's server: an ASGI function that runs a statement and sends the JSON it gives.

No framework, no pool that asks whether connections still live or cleans them, no reading of JSON:
one message to PostgreSQL, which admits the caller, sets the scope and answers, and the bytes that
come back, with their marks replaced, are the body.
"""

import asyncio
import os
import pickle
from pathlib import Path
from typing import Any

import asyncpg
import uvicorn
import uvloop

from gateway.compiled.text import unmarked

_CONNECTIONS = 10


class Floor:
    """The application; the number in the path picks the statement."""

    def __init__(self, statements: list[Any], database: str) -> None:
        self._ready = statements
        self._database = database
        self._idle: dict[bool, asyncio.LifoQueue[Any]] = {
            by_values: asyncio.LifoQueue() for by_values in (True, False)
        }

    async def open(self) -> None:
        for by_values, idle in self._idle.items():
            for _ in range(_CONNECTIONS):
                connection = await asyncpg.connect(
                    self._database,
                    max_cacheable_statement_size=0,
                    server_settings={
                        "plan_cache_mode": "force_custom_plan"
                        if by_values
                        else "force_generic_plan",
                        "timezone": "UTC",
                    },
                )
                idle.put_nowait(connection)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        one = self._ready[int(scope["path"][1:])]
        idle = self._idle[one.by_values]
        connection = await idle.get()
        try:
            answer = await connection.fetchval(one.text, *one.arguments)
        finally:
            idle.put_nowait(connection)
        body = b"".join((one.before, unmarked(answer), one.behind))
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


async def _serve(statements: list[Any]) -> None:
    floor = Floor(statements, os.environ["DATABASE_URL"])
    await floor.open()
    config = uvicorn.Config(
        floor,
        port=int(os.environ["PORT"]),
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
    await uvicorn.Server(config).serve()


if __name__ == "__main__":
    uvloop.run(_serve(pickle.loads(Path(os.environ["STATEMENTS"]).read_bytes())))
