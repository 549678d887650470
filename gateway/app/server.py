"""The ASGI application and the server that runs it."""

import asyncio
import gc
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

import strawberry
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.routing import Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.app.house import House
from gateway.app.tables import metadata
from gateway.audit.writer import AccessLog
from gateway.compiled.operations import Operations
from gateway.config.settings import Settings
from gateway.config.signals import STOPPING
from gateway.errors import BadInput, Unavailable
from gateway.http.answering import Answering
from gateway.http.audited import Audited
from gateway.http.embed import EmbedTokens
from gateway.http.executor import Executor
from gateway.http.exports import ExportEndpoint
from gateway.http.graphql import GraphQLEndpoint
from gateway.http.headers import SecurityHeaders, security
from gateway.http.heads import BoundedProtocol
from gateway.http.health import healthz, readyz
from gateway.http.issuers import IssuersEndpoint
from gateway.http.json import unrouted
from gateway.http.metrics import EXCEEDED, metrics, watch
from gateway.http.origins import Origins
from gateway.http.session import SessionEndpoint
from gateway.http.sockets import SocketProtocol, Sockets
from gateway.limits.spending import Allowance, Spending
from gateway.limits.turns import Turns
from gateway.resolvers.query import build_schema
from gateway.tenancy.accounts import SignIn
from gateway.tenancy.admission import Admissions
from gateway.tenancy.doctor import examine, ready
from gateway.tenancy.sealed import Answers


def application(house: House) -> ASGIApp:
    """Wire an open house: the audit log, compiled operations behind it, and the other routes."""
    spending = _spending(house.settings)
    graphql = _graphql(house, build_schema(), house.answers, house.accesses, spending)
    behind = _routes(house, graphql, spending)

    async def entrance(scope: Scope, receive: Receive, send: Send) -> None:
        # the router's own way there takes longer than all that the perimeter looks at
        front = scope["type"] == "http" and scope["path"] == "/graphql"
        await (graphql[0] if front else behind)(scope, receive, send)

    watch(house.accesses)
    return Audited(house.accesses, entrance)


def routes(house: House, schema: strawberry.Schema) -> Starlette:
    """Wire the routes of an open house; every operation is the executor's."""
    spending = _spending(house.settings)
    return _routes(house, _graphql(house, schema, None, None, spending), spending)


def _spending(config: Settings) -> Spending:
    allowance = Allowance(
        config.cost_limit,
        config.cost_bucket,
        config.cost_per_second,
        config.operations_at_once,
        enforced=config.limits == "enforce",
    )
    return Spending(allowance, exceeded=lambda limit: EXCEEDED.labels(limit).inc())


def _graphql(
    house: House,
    schema: strawberry.Schema,
    answers: Answers | None,
    accesses: AccessLog | None,
    spending: Spending,
) -> tuple[GraphQLEndpoint, Sockets]:
    config, base_url = house.settings, partial(_base_url, house)
    answering = Answering(
        Operations(schema),
        Admissions(house.service, house.issuers),
        answers,
        Executor(schema, house.service, house.links),
        house.service,
        house.links,
        spending,
        Turns(_cores(), max(1, config.pool_size - 1)),
    )
    headers = security(config.public_url)
    endpoint = GraphQLEndpoint(
        answering, Origins(house.service), base_url, headers, config.body_bytes
    )
    return endpoint, Sockets(answering, base_url, accesses)


def _routes(
    house: House, graphql: tuple[GraphQLEndpoint, Sockets], spending: Spending
) -> Starlette:
    endpoint, sockets = graphql
    tokens = EmbedTokens(house.service, spending)
    size = house.settings.pool_size
    turns = Turns(size, max(1, size // 2))
    exports = ExportEndpoint(house.exports, house.service, house.links, turns, spending)
    sessions = SessionEndpoint(house.service, SignIn(house.service, house.seeds))
    issuers = IssuersEndpoint(house.service, house.issuers)
    return Starlette(
        routes=[
            Route("/graphql", endpoint),
            WebSocketRoute("/graphql", sockets),
            Route("/exports/{token}", exports, methods=["GET", "HEAD"]),
            Route("/embed/tokens", tokens, methods=["POST"]),
            Route("/embed/tokens/{prefix}", tokens, methods=["DELETE"]),
            Route("/session", sessions, methods=["POST", "DELETE"]),
            Route("/session/issuers", issuers, methods=["GET", "POST"]),
            Route("/healthz", healthz),
            Route("/readyz", readyz(lambda: ready(house.service))),
            Route("/metrics", metrics),
        ],
        exception_handlers={HTTPException: unrouted},
        middleware=[Middleware(SecurityHeaders, security(house.settings.public_url))],
    )


def _cores() -> int:
    """Return how many cores this process may use; not every system can restrict that."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _base_url(house: House, request: HTTPConnection) -> str:
    base = house.settings.public_url or str(request.base_url)
    return re.sub(r"^ws(?=s?://)", "http", base).rstrip("/")


async def fit_to_serve(house: House) -> None:
    """Raise Unavailable, naming what is wrong, unless the database is fit to serve."""
    wrong = [found for found in await examine(house.service, metadata) if not found.right]
    if wrong:
        told = "; ".join(f"{found.name}: {found.detail}" for found in wrong)
        raise Unavailable(
            f"not fit to serve: {told} (see gateway doctor and gateway migrate)",
            f"无法提供服务：{told}",
        )


@asynccontextmanager
async def listening(config: Settings) -> AsyncIterator[socket.socket]:
    """Hold the address to serve on; BadInput if it is taken.

    It listens at once: only that takes it from others, and who comes before the server is up waits.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    # asyncio sends at once (TCP_NODELAY) only on what says that it is TCP
    held = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            held.bind((config.host, config.port))
            held.listen()
        except OSError as error:
            raise BadInput(
                f"can't listen on {config.host}:{config.port}: {error.strerror}",
                f"无法监听{config.host}:{config.port}",
                argument="GATEWAY_PORT",
                accepted="a free port, or 0 for any",
            ) from error
        yield held
    finally:
        held.close()


class Server(uvicorn.Server):
    """uvicorn's server, which says when it is up, and returns when all its work has ended.

    Told to stop, it lets requests finish within the time of grace and cuts those that do not. The
    signal ends there: what was opened around the server is still to be closed.
    """

    def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
        """Take what to call when requests are answered and signals are heard."""
        super().__init__(config)
        self._up = started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on signals; uvicorn's own raises them again in the end, which kills the process."""
        before = {number: signal.signal(number, self.handle_exit) for number in STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets)
        self._up()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, and wait for the requests that were cut to let their connections go."""
        await super().shutdown(sockets)
        left = list(self.server_state.tasks)
        for task in left:
            if not task.cancelling():
                task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def serve(house: House, held: socket.socket, started: Callable[[str], None]) -> None:
    """Serve until told to stop; say at which address once requests are answered there."""
    await fit_to_serve(house)
    host, port = held.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    app = application(house)
    # what is there now stays: looking through it again and again stops requests for a while
    gc.collect()
    gc.freeze()
    # documents are compiled in a thread, which gives way to answers so soon (seconds)
    sys.setswitchinterval(0.0005)
    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws=SocketProtocol,
        ws_ping_timeout=60,  # a long answer is in front of the ping
        ws_per_message_deflate=False,  # it would compress each answer before the next is looked at
        ws_max_size=house.settings.body_bytes,
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=house.settings.proxies is not None,
        forwarded_allow_ips=house.settings.proxies,
        timeout_graceful_shutdown=house.settings.grace_seconds,
    )
    await Server(config, lambda: started(address)).serve(sockets=[held])
