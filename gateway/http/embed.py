"""`/embed/tokens`: a vendor's server exchanges its key for a token that its pages may show."""

from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit.log import record
from gateway.errors import BadInput
from gateway.http.audited import KEY
from gateway.http.json import JsonEndpoint, read_model
from gateway.limits.spending import Spending
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.embed import issue, revoke
from gateway.tenancy.identity import credential_of
from gateway.tenancy.keys import digest
from gateway.tenancy.principal import Principal
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session
from gateway.tenancy.terms import MOST_SECONDS, Terms

_ACCEPTED: Final = (
    '{"seconds": 1 to 900, "origins": ["https://…"], "documents": ["SHA-256"], "purpose": "why"}'
)


class _Wanted(BaseModel):
    """What a request asks for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    seconds: int = Field(default=300, ge=1, le=MOST_SECONDS)
    origins: list[str] = []
    documents: list[str] = []
    purpose: str | None = None


class EmbedTokens(JsonEndpoint):
    """Issues tokens (POST) and revokes them (DELETE), as the key that asks."""

    def __init__(self, engine: AsyncEngine, spending: Spending) -> None:
        """Take the engine of the service's role, and what tenants may spend."""
        self._engine, self._spending = engine, spending

    async def answer(self, request: Request) -> Response:
        """Return 201 with the token, or 204; each costs its tenant as any operation does."""
        header = request.headers.get("authorization")
        minted = await authenticate(self._engine, header)
        access = request.scope.get(KEY)
        if access is not None:
            access.tenant = minted
        post = request.method == "POST"
        wanted = await read_model(request, _Wanted, _ACCEPTED) if post else None
        tenant = self._spending.enter(minted.principal.tenant)
        try:
            return await self._answer(request, wanted, minted, digest(credential_of(header)))
        finally:
            self._spending.leave(tenant)

    async def _answer(
        self, request: Request, wanted: _Wanted | None, minted: Scope, presented: bytes
    ) -> Response:
        if wanted is None:
            prefix = request.path_params["prefix"]
            async with open_session(self._engine, minted, write=True) as session:
                await revoke(session, presented, prefix)
                await record(session, "embed.revoke", token=prefix)
            return Response(status_code=204)
        terms = Terms.read(wanted.origins, wanted.documents, wanted.purpose)
        _check_registered(terms, minted.principal)
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


def _check_registered(terms: Terms, principal: Principal) -> None:
    """Raise BadInput for a document that a token could not run."""
    unknown = sorted(terms.documents - principal.documents)
    if unknown:
        raise BadInput(
            f"{unknown[0]} is no registered document",
            f"{unknown[0]}不是已登记的文档",
            argument="documents",
            accepted="digests of documents that the vendor registered (gateway document list)",
        )
