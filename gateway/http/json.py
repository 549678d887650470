"""Endpoints that take JSON and give JSON, apart from the graph: errors are told in its form."""

from abc import ABC, abstractmethod
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gateway.errors import BadInput, GatewayError
from gateway.http.asked import NotTaken, not_json, read_body
from gateway.http.audited import KEY, note_refusal, nothing_here
from gateway.http.errors import language_of, masked, status_of, told
from gateway.http.gone import Gone
from gateway.http.headers import read_head
from gateway.http.media import is_json

M = TypeVar("M", bound=BaseModel)
_MOST_BYTES = 65_536


class JsonEndpoint(ABC):
    """Answers requests; what it answers is not to be kept by anybody on the way."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or tell the error."""
        request = Request(scope, receive)
        try:
            response = await self.answer(request)
        except Gone:
            return
        except NotTaken as refusal:
            response = _told(request, refusal.error, refusal.status)
            for name, value in refusal.headers:
                response.headers[name.decode()] = value.decode()
        except Exception as error:  # noqa: BLE001 (the client hears of it, masked)
            fault = masked(error)
            response = _told(request, fault, status_of(fault))
        response.headers["Cache-Control"] = "no-store"
        await response(scope, receive, send)

    @abstractmethod
    async def answer(self, request: Request) -> Response:
        """Return the answer, or raise GatewayError."""


async def unrouted(request: Request, error: Exception) -> Response:
    """Tell that an address is none, or takes another method."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for nothing else)
    if error.status_code != 405:
        return _told(request, nothing_here(), error.status_code)
    allowed = (error.headers or {}).get("Allow", "")
    refusal = BadInput(
        f"{request.method} is not for this address",
        f"此地址不接受{request.method}",
        argument="method",
        accepted=allowed,
    )
    response = _told(request, refusal, 405)
    response.headers["Allow"] = allowed
    return response


def address_of(request: Request) -> str:
    """Return where a request comes from, empty where that is not known."""
    return request.client.host if request.client else ""


def _told(request: Request, error: GatewayError, status: int) -> Response:
    language = language_of(request.headers.get("accept-language"))
    headers, body = told(error, language)
    note_refusal(request.scope.get(KEY), error)
    return Response(body, status, {name.decode(): value.decode() for name, value in headers})


async def read_model(request: Request, model: type[M], accepted: str) -> M:
    """Return a request's body as a model; BadInput, which says what would do, for any other.

    NotTaken for one that does not say that it is JSON: pages of other sites can send such.
    """
    head = read_head(request.scope)
    if not is_json(head.content_type) and (head.length or "transfer-encoding" in request.headers):
        raise not_json()
    data = await read_body(request.receive, _MOST_BYTES)
    try:
        return model.model_validate_json(data or b"{}")
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadInput(
            f"{place}: {first['msg']}", f"{place}不符合要求", argument=place, accepted=accepted
        ) from None
