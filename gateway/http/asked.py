"""What a request asks for: one reading for POST, GET and WebSocket messages, compiled or not."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
from starlette.types import Receive

from gateway.errors import BadInput, GatewayError
from gateway.http.gone import Gone

BODY_SECONDS: Final = 30
"""How long a body may be on its way."""
MOST_NESTED: Final = 32
"""Objects and lists within each other in variables."""
MOST_VALUES: Final = 2000
"""Members and elements of variables, in all objects and lists together."""
_MOST_PARAMETERS: Final = 20
_DIGEST_LENGTH: Final = 64


class NotTaken(Exception):
    """A request that HTTP's rules refuse: a status, the error to tell, and more headers."""

    def __init__(self, status: int, error: GatewayError, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(error.en)
        self.status, self.error, self.headers = status, error, headers


@dataclass(slots=True)
class Asked:
    """An operation as it was asked for: a document, or the digest of one that is registered."""

    query: str
    name: str | None
    variables: dict[str, Any]
    digest: str | None = None


async def read_body(receive: Receive, most: int) -> bytes:
    """Return a body of at most so many bytes."""
    parts: list[bytes] = []
    size, more = 0, True
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                parts.append(message.get("body", b""))
                size, more = size + len(parts[-1]), message.get("more_body", False)
                if size > most:
                    raise too_long(most)
    except TimeoutError:
        raise NotTaken(
            408,
            BadInput(
                "the body takes too long to arrive",
                "请求正文传输时间过长",
                argument="body",
                accepted=f"a body that is there within {BODY_SECONDS} seconds",
            ),
            (b"connection", b"close"),
        ) from None
    return b"".join(parts)


def not_json() -> NotTaken:
    """Return the refusal of a body that a browser could send to another origin unasked."""
    error = BadInput(
        "the body is not application/json in UTF-8",
        "请求正文不是UTF-8的application/json",
        argument="Content-Type",
        accepted="application/json",
    )
    return NotTaken(415, error)


def too_long(most: int) -> NotTaken:
    """Return the refusal of a body that is too long; the rest of it is not read."""
    error = BadInput(
        "the body is too long",
        "请求正文过长",
        argument="body",
        accepted=f"at most {most} bytes",
    )
    return NotTaken(413, error, (b"connection", b"close"))


def of_body(body: bytes) -> Asked:
    """Read a POST's body."""
    try:
        read = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _bad("the body is not JSON in UTF-8", "请求正文不是UTF-8的JSON", "body") from None
    if type(read) is not dict:
        raise _bad("the body is not a JSON object", "请求正文不是JSON对象", "body")
    return of_object(read)


def of_object(read: Mapping[str, Any]) -> Asked:
    """Read a request's parameters (GraphQL over HTTP, 5.1); others than these are ignored."""
    query, name = read.get("query"), read.get("operationName")
    variables, extensions = read.get("variables"), read.get("extensions")
    if name is not None and type(name) is not str:
        raise _bad("operationName is not a text", "operationName不是文本", "operationName")
    if variables is None:
        variables = {}
    elif type(variables) is not dict:
        raise _bad("variables is not an object", "variables不是对象", "variables")
    elif variables:
        _hold(variables)
    if extensions is not None and type(extensions) is not dict:
        raise _bad("extensions is not an object", "extensions不是对象", "extensions")
    digest = _digest(read.get("documentId"), extensions)
    if digest is None and (type(query) is not str or not query):
        raise _bad("query is missing, or not a text", "query缺失或不是文本", "query")
    if query is not None and type(query) is not str:
        raise _bad("query is not a text", "query不是文本", "query")
    return Asked(query or "", name, variables, digest)


def of_query_string(raw: bytes) -> Asked:
    """Read a GET's parameters, of which variables and extensions are JSON."""
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_PARAMETERS,
        )
    except ValueError:
        raise _bad("the query string can't be read", "查询字符串无法读取", "query") from None
    given: dict[str, Any] = {}
    for name, value in pairs:
        if name in given:
            raise _bad(f"{name!r} is given twice", f"“{name}”出现两次", name)
        given[name] = value
    for name in ("variables", "extensions"):
        if text := given.pop(name, ""):
            try:
                given[name] = orjson.loads(text)
            except orjson.JSONDecodeError:
                raise _bad(f"{name} is not JSON", f"{name}不是JSON", name) from None
    if not given.get("operationName"):
        given.pop("operationName", None)
    return of_object(given)


def _digest(identifier: Any, extensions: dict[str, Any] | None) -> str | None:
    """Return the SHA-256 by which a registered document is asked for, if one is."""
    if identifier is None and extensions:
        persisted = extensions.get("persistedQuery")
        if type(persisted) is dict:
            identifier = persisted.get("sha256Hash")
    if identifier is None:
        return None
    if type(identifier) is str:
        digest = identifier.removeprefix("sha256:").lower()
        if len(digest) == _DIGEST_LENGTH and not set(digest) - set("0123456789abcdef"):
            return digest
    raise NotTaken(
        400,
        BadInput(
            "documentId is not a document's digest",
            "documentId不是文档摘要",
            argument="documentId",
            accepted='"sha256:" and 64 hexadecimal digits',
        ),
    )


def _hold(variables: dict[str, Any]) -> None:
    """Hold variables to how deep they may go, and how many values they may have."""
    waiting: list[tuple[Any, int]] = [(variables, 1)]
    found = 0
    while waiting:
        value, depth = waiting.pop()
        found += len(value)
        if found > MOST_VALUES:
            raise _bad("variables have too many values", "variables的值过多", "variables")
        for one in value.values() if type(value) is dict else value:
            if type(one) in _NESTING:
                if depth >= MOST_NESTED:
                    raise _bad("variables are nested too deeply", "variables嵌套过深", "variables")
                waiting.append((one, depth + 1))


_NESTING: Final = frozenset({dict, list})


def _bad(en: str, zh: str, argument: str) -> NotTaken:
    accepted = {
        "variables": f"an object, nested at most {MOST_NESTED} deep, of {MOST_VALUES} values",
        "extensions": "an object",
        "operationName": "a text, or null",
    }.get(argument, '{"query": "…", "variables": {…}} as application/json, in UTF-8')
    return NotTaken(400, BadInput(en, zh, argument=argument, accepted=accepted))
