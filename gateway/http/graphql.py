"""`/graphql`: GraphQL over HTTP, POST, and GET for queries."""

from collections.abc import Callable
from typing import Any

import orjson
import strawberry
from cross_web import HTTPException
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.http import GraphQLHTTPResponse
from strawberry.types import ExecutionResult
from strawberry.types.unset import UNSET

from gateway.audit.access import Access
from gateway.errors import BadInput, GatewayError
from gateway.exports.links import Links
from gateway.http.audited import KEY, note
from gateway.http.errors import body_of, language_of, public_error, status_of
from gateway.schema.context import Context
from gateway.tenancy.authenticate import authenticate


class GraphQLEndpoint(GraphQL[Context, None]):
    """Strawberry's endpoint with our authentication, errors and JSON."""

    def __init__(
        self,
        schema: strawberry.Schema,
        engine: AsyncEngine,
        links: Links,
        base_url: Callable[[Request], str],
    ) -> None:
        """Take what operations need."""
        super().__init__(schema, graphql_ide=None, subscription_protocols=())
        self._engine, self._links, self._base_url = engine, links, base_url
        self._graph = schema._schema  # noqa: SLF001 (no public way to graphql-core's)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the operation's session is closed before the answer is sent."""
        request = Request(scope, receive)
        access: Access | None = scope.get(KEY)
        language = language_of(request.headers.get("accept-language"))
        try:
            minted = await authenticate(self._engine, request.headers.get("authorization"))
        except GatewayError as error:
            if access is not None:
                access.tenant, access.outcome = None, error.code
            status = status_of(error)
            response = Response(
                orjson.dumps(body_of(error, language)), status, media_type="application/json"
            )
            if status == 401:
                response.headers["WWW-Authenticate"] = "Bearer"
            await response(scope, receive, send)
            return
        context = Context(self._engine, minted, self._links, self._base_url(request), language)
        scope["gateway.context"] = context
        if access is not None:
            access.tenant = minted
        try:
            await super().__call__(scope, receive, send)
        finally:
            await context.close()

    async def run(self, request: Any, context: Any = UNSET, root_value: Any = UNSET) -> Any:
        """Answer; what HTTP alone is wrong with is told in the same form as all errors."""
        try:
            return await super().run(request, context, root_value)
        except HTTPException as error:
            told = BadInput(
                error.reason,
                "请求无法读取",
                accepted='{"query": "…", "variables": {…}} as application/json',
            )
            body = orjson.dumps(body_of(told, language_of(request.headers.get("accept-language"))))
            return Response(body, error.status_code, media_type="application/json")

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> Context:
        """Return the context made for this request."""
        found: Context = request.scope["gateway.context"]
        return found

    async def process_result(
        self, request: Request, result: ExecutionResult
    ) -> GraphQLHTTPResponse:
        """Mask what is internal, and speak the caller's language."""
        context: Context = request.scope["gateway.context"]
        await context.close()
        if result.errors:
            result.errors = [public_error(error, context.language) for error in result.errors]
        access: Access | None = request.scope.get(KEY)
        if access is not None:
            note(access, self._graph, context, result)
        return await super().process_result(request, result)

    def parse_json(self, data: str | bytes) -> Any:
        """Read a body: one request as an object."""
        try:
            body = orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise HTTPException(400, "the body is not JSON") from error
        if not isinstance(body, dict):
            raise HTTPException(400, "the body is not a JSON object")
        return body

    def encode_json(self, data: object) -> bytes:
        """Write JSON."""
        return orjson.dumps(data, default=str)
