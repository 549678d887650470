"""`/healthz`: the process answers. `/readyz`: it also reaches its database."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.errors import GatewayError


async def healthz(_: Request) -> Response:
    """Say that the process runs."""
    return JSONResponse({"status": "ok"})


def readyz(ready: Callable[[], Awaitable[None]]) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that says whether `ready` passes: 200, or 503."""

    async def endpoint(_: Request) -> Response:
        try:
            await ready()
        except GatewayError as error:
            return JSONResponse({"status": "unavailable", "reason": error.en}, 503)
        return JSONResponse({"status": "ok"})

    return endpoint
