"""`/session`: somebody signs in with an account (POST), and out (DELETE)."""

from typing import Final

import orjson
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit.log import record
from gateway.http.json import JsonEndpoint, address_of, read_model
from gateway.tenancy.accounts import SignIn, sign_out
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.identity import credential_of, refusal
from gateway.tenancy.keys import digest
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session

_ACCEPTED: Final = '{"account": "name", "password": "…", "code": "six digits"}'


class _Wanted(BaseModel):
    """What a request proves."""

    model_config = ConfigDict(extra="forbid", strict=True)

    account: str
    password: str
    code: str


class SessionEndpoint(JsonEndpoint):
    """Opens sessions of accounts, and ends them."""

    def __init__(self, engine: AsyncEngine, sign_in: SignIn) -> None:
        """Take the engine of the service's role, and what knows accounts."""
        self._engine, self._sign_in = engine, sign_in

    async def answer(self, request: Request) -> Response:
        """Return 201 with the session's credential, or 204."""
        if request.method == "DELETE":
            header = request.headers.get("authorization")
            scope = await authenticate(self._engine, header)
            async with open_session(self._engine, _own(scope), write=True) as session:
                if not await sign_out(session, digest(credential_of(header))):
                    raise refusal()
                await record(session, "session.close")
            return Response(status_code=204)
        wanted = await read_model(request, _Wanted, _ACCEPTED)
        key, expires = await self._sign_in.open(
            wanted.account, wanted.password, wanted.code, address_of(request)
        )
        # until it is told nobody has it: a session that can't be logged is never used
        scope = await authenticate(self._engine, f"Bearer {key.text}")
        await log_sign_in(self._engine, scope)
        told = {"token": key.text, "expiresAt": expires}
        return Response(orjson.dumps(told), 201, media_type="application/json")


async def log_sign_in(engine: AsyncEngine, scope: Scope) -> None:
    """Log that somebody signed in."""
    async with open_session(engine, _own(scope), write=True) as session:
        await record(session, "session.open")


def _own(scope: Scope) -> Scope:
    """Return what an act in the holder's own chain is of: a data company's is no vendor's."""
    return scope if scope.principal.vendor is not None else scope.narrow(vendors=[])
