"""`/embed/tokens`: a vendor's server exchanges its key for a token that its pages may show."""

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.audit.log import record
from gateway.errors import BadInput, GatewayError
from gateway.http.errors import body_of, language_of, status_of
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.embed import issue, revoke
from gateway.tenancy.identity import credential_of
from gateway.tenancy.keys import digest
from gateway.tenancy.session import open_session
from gateway.tenancy.terms import MOST_SECONDS, Terms

_MOST_BYTES = 65_536


class _Wanted(BaseModel):
    """What a request asks for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: int = Field(default=300, ge=1, le=MOST_SECONDS)
    origins: list[str] = []
    documents: list[str] = []
    purpose: str | None = None


class EmbedTokens:
    """Issues tokens (POST) and revokes them (DELETE), as the key that asks."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Take the engine of the service's role."""
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request: 201 with the token, 204, or an error in GraphQL's form."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except GatewayError as error:
            language = language_of(request.headers.get("accept-language"))
            body = orjson.dumps(body_of(error, language))
            response = Response(body, status_of(error), media_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        header = request.headers.get("authorization")
        minted = await authenticate(self._engine, header)
        presented = digest(credential_of(header))
        if request.method == "DELETE":
            prefix = request.path_params["prefix"]
            async with open_session(self._engine, minted, write=True) as session:
                await revoke(session, presented, prefix)
                await record(session, "embed.revoke", token=prefix)
            return Response(status_code=204)
        wanted = await _wanted(request)
        terms = Terms.read(wanted.origins, wanted.documents, wanted.purpose)
        async with open_session(self._engine, minted, write=True) as session:
            token, expires = await issue(session, presented, terms, wanted.seconds)
            await record(
                session,
                "embed.issue",
                token=token.prefix,
                seconds=wanted.seconds,
                origins=sorted(terms.origins),
                documents=sorted(terms.documents),
                shows_personal_for=terms.purpose,
            )
        told = {"token": token.text, "prefix": token.prefix, "expiresAt": expires}
        return Response(orjson.dumps(told), 201, media_type="application/json")


async def _wanted(request: Request) -> _Wanted:
    data = b""
    async for part in request.stream():
        data += part
        if len(data) > _MOST_BYTES:
            raise BadInput(
                "the body is too long", "请求体过长", accepted=f"at most {_MOST_BYTES} bytes"
            )
    try:
        return _Wanted.model_validate_json(data or b"{}")
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadInput(
            f"{place}: {first['msg']}",
            f"{place}不符合要求",
            argument=place,
            accepted='{"seconds": 1 to 900, "origins": ["https://…"], "documents": ["SHA-256"], '
            '"purpose": "why"}',
        ) from error
