"""`/graphql`: GraphQL over HTTP (POST, and GET for queries), as one answer or as events."""

from collections.abc import Callable
from typing import Final

import orjson
from starlette.requests import HTTPConnection
from starlette.types import Receive, Scope, Send

from gateway.audit.access import Access
from gateway.errors import BadInput, Forbidden, GatewayError
from gateway.http.answering import Answer, Answering, Asking
from gateway.http.asked import (
    Asked,
    NotTaken,
    not_json,
    of_body,
    of_query_string,
    read_body,
    too_long,
)
from gateway.http.audited import KEY, note_refusal
from gateway.http.errors import body_of, headers_of, language_of, masked, status_of
from gateway.http.gone import Departures, Gone
from gateway.http.headers import Head, Pairs, purpose_in, read_head
from gateway.http.media import Form, accepted, is_json
from gateway.http.origins import Origins, allowed_from, headers_for
from gateway.limits.spending import LONG
from gateway.tenancy.admission import Admission

_PIECE: Final = 2**16
_METHODS: Final = (b"allow", b"GET, POST, OPTIONS")


class GraphQLEndpoint:
    """Takes requests, and tells answers in the form that was asked for."""

    def __init__(
        self,
        answering: Answering,
        origins: Origins,
        base_url: Callable[[HTTPConnection], str],
        security: Pairs,
        body_bytes: int,
    ) -> None:
        """Take what answers, and what is sent with every answer."""
        self._answering, self._origins = answering, origins
        self._base_url, self._body_bytes = base_url, body_bytes
        self._security = security
        self._departures = Departures()
        self._starts = {form: ((b"content-type", form.value), *security) for form in Form}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        head, form = Head(), Form.JSON
        try:
            head = read_head(scope)
            form = self._form(head)
            if scope["method"] == "OPTIONS":
                await self._allow(head, send)
                return
            asking = self._asking(scope, head)
            caller = await self._admitted(scope, head, asking.access)
            asked = await self._asked(scope, receive, head)
            answer = await self._departures.while_there(
                receive, self._answering.answer(asked, asking, caller)
            )
        except Gone:
            return
        except NotTaken as refusal:
            note_refusal(scope.get(KEY), refusal.error)
            await self._refuse(refusal.error, refusal.status, refusal.headers, head, form, send)
            return
        except Exception as error:  # noqa: BLE001 (the client hears of it, masked)
            fault = masked(error)
            note_refusal(scope.get(KEY), fault)
            await self._refuse(fault, status_of(fault), headers_of(fault), head, form, send)
            return
        await self._tell(answer, head, form, send)

    def _asking(self, scope: Scope, head: Head) -> Asking:
        def base_url() -> str:
            return self._base_url(HTTPConnection(scope))

        purpose = purpose_in(head.purpose)
        access: Access | None = scope.get(KEY)
        if access is not None:
            access.purpose = purpose
        return Asking(
            head.authorization,
            base_url,
            head.language,
            allowed_from(head.origin, base_url),
            purpose,
            only_reads=scope["method"] == "GET",
            access=access,
        )

    @staticmethod
    def _form(head: Head) -> Form:
        form = accepted(head.accept)
        if form is None:
            error = BadInput(
                "no form of the answer is acceptable",
                "没有可接受的应答格式",
                argument="Accept",
                accepted="application/graphql-response+json, application/json or text/event-stream",
            )
            raise NotTaken(406, error)
        return form

    async def _admitted(self, scope: Scope, head: Head, access: Access | None) -> Admission:
        """Return who asks, before any of the body is read."""
        method = scope["method"]
        if method not in {"GET", "POST"}:
            error = BadInput(
                f"{method} is not for this address",
                f"此地址不接受{method}",
                argument="method",
                accepted="POST, or GET for queries",
            )
            raise NotTaken(405, error, _METHODS)
        if (
            head.ambient
            and not head.preflighted
            and not (method == "POST" and is_json(head.content_type))
        ):
            raise _forgeable()
        caller = await self._answering.admissions.admit(head.authorization)
        if access is not None:
            access.tenant = caller.scope
        return caller

    async def _asked(self, scope: Scope, receive: Receive, head: Head) -> Asked:
        """Read what is asked."""
        if scope["method"] == "GET":
            return of_query_string(scope["query_string"])
        if not is_json(head.content_type):
            raise not_json()
        if head.length > self._body_bytes:
            raise too_long(self._body_bytes)
        return of_body(await read_body(receive, self._body_bytes))

    async def _tell(self, answer: Answer, head: Head, form: Form, send: Send) -> None:
        body = _events(answer.body) if form is Form.EVENTS else answer.body
        status = 400 if answer.refused and form is Form.RESPONSE else 200
        headers = [
            *self._starts[form],
            (b"gateway-execution", answer.way),
            (b"content-length", b"%d" % len(body)),
        ]
        if head.origin is not None:
            headers += headers_for(head.origin)
        start = {"type": "http.response.start", "status": status, "headers": headers}
        if len(body) > LONG:
            with answer.asker.telling(len(body)):
                await send(start)
                for at in range(0, len(body), _PIECE):
                    piece = body[at : at + _PIECE]
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
                await send({"type": "http.response.body", "body": b""})
            return
        await send(start)
        await send({"type": "http.response.body", "body": body})

    async def _refuse(
        self,
        error: GatewayError,
        status: int,
        more: Pairs,
        head: Head,
        form: Form,
        send: Send,
    ) -> None:
        """Tell what was not even tried, in GraphQL's own form."""
        body = orjson.dumps(body_of(error, language_of(head.language)))
        form = Form.JSON if form is Form.EVENTS else form
        headers = [*self._starts[form], *more, (b"content-length", b"%d" % len(body))]
        headers += await self._origins.readable(head.origin)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _allow(self, head: Head, send: Send) -> None:
        headers = [*self._security, _METHODS, *await self._origins.preflight(head.origin)]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def _events(body: bytes) -> bytes:
    """Return an answer as events: the one result, and that it is complete."""
    return b"event: next\ndata: " + body + b"\n\nevent: complete\ndata:\n\n"


def _forgeable() -> NotTaken:
    error = Forbidden(
        "a page of another site could make a browser send this",
        "其他网站的页面可能使浏览器发出此请求",
        argument="GraphQL-Require-Preflight",
        accepted="an Authorization header, or GraphQL-Require-Preflight: 1",
    )
    return NotTaken(403, error)
