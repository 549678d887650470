"""`/session/issuers`: where people sign in (GET), and somebody who did so there (POST)."""

from typing import Annotated, Final

import orjson
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from gateway.errors import Unauthenticated
from gateway.http.json import JsonEndpoint, address_of, read_model
from gateway.http.session import log_sign_in
from gateway.tenancy.authenticate import ask_for_scope
from gateway.tenancy.code_flow import Code, CodeFlow
from gateway.tenancy.oidc import Issuers
from gateway.tenancy.scope import Scope

_ACCEPTED: Final = (
    '{"issuer": "https://…", "code": "…", "verifier": "43 to 128 characters", '
    '"redirect": "https://…"}'
)
_Text = Annotated[str, Field(min_length=1, max_length=4096)]


class _Wanted(BaseModel):
    """What a page brings back from an issuer."""

    model_config = ConfigDict(extra="forbid", strict=True)

    issuer: _Text
    code: _Text
    verifier: str = Field(pattern=r"^[A-Za-z0-9._~-]{43,128}$")
    redirect: _Text


class IssuersEndpoint(JsonEndpoint):
    """Names the issuers, and gives their access tokens to who signed in."""

    def __init__(self, engine: AsyncEngine, issuers: Issuers) -> None:
        """Take the engine of the service's role, and the issuers that are believed."""
        self._engine, self._flow = engine, CodeFlow(issuers)

    async def answer(self, request: Request) -> Response:
        """Return 200 with the issuers, or 201 with a token that opens the gateway."""
        return await (self._sign_in(request) if request.method == "POST" else self._offers())

    async def _offers(self) -> Response:
        offers = [
            {"issuer": one.issuer, "authorize": one.authorize, "namesItself": one.names_itself}
            for one in await self._flow.offers()
        ]
        return Response(orjson.dumps({"issuers": offers}), media_type="application/json")

    async def _sign_in(self, request: Request) -> Response:
        code = Code(**(await read_model(request, _Wanted, _ACCEPTED)).model_dump())
        token = await self._flow.exchange(code, address_of(request))
        scope = await self._scope(token, code)
        await log_sign_in(self._engine, scope)
        told = {"token": token, "expiresAt": scope.principal.expires}
        return Response(orjson.dumps(told), 201, media_type="application/json")

    async def _scope(self, token: str, code: Code) -> Scope:
        try:
            identity = await self._flow.identify(token, code)
            return (await ask_for_scope(self._engine, identity)).scope
        except Unauthenticated as error:
            raise Unauthenticated(
                f"signed in at the issuer, whose token opens nothing here: {error.en}",
                f"已在颁发者处登录，但其令牌在此无效：{error.zh}",
                accepted="somebody with one grant (gateway oidc grant), and a client whose tokens "
                "are signed JWTs for the gateway's audience",
            ) from error
