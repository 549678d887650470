"""How errors look outside: the caller's language, a public code, and nothing internal."""

import logging
import re
import secrets
import traceback
from contextlib import suppress
from typing import Any

import orjson
from graphql import ArgumentNode, GraphQLError, ObjectFieldNode, Visitor, parse, visit

from gateway.errors import GatewayError, Language, RateLimited, ScopeViolation, Unauthenticated

_log = logging.getLogger(__name__)

_SCALAR = re.compile(r"Value cannot represent a (Date|DateTime|Decimal)\b")
_VARIABLE = re.compile(r"Variable '(\$\w+)'")
_FORMS = {
    "Date": "a calendar date as YYYY-MM-DD",
    "DateTime": "an instant with its offset, as 2026-11-21T16:00:00+08:00",
    "Decimal": "a decimal number as text",
}
STATUS = {
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "FORBIDDEN": 403,
    "BAD_USER_INPUT": 400,
    "COST_LIMIT": 400,
    "RATE_LIMITED": 429,
    "UNAVAILABLE": 503,
    "TIMEOUT": 504,
}


def language_of(header: str | None) -> Language:
    """Return Chinese if `Accept-Language` prefers it to English, else English."""
    best: dict[str, float] = {}
    for choice in (header or "").lower().split(","):
        tag, _, weight = choice.partition(";")
        found = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", weight)
        language = tag.strip()[:2]
        best[language] = max(best.get(language, 0.0), float(found[1]) if found else 1.0)
    return "zh" if best.get("zh", 0.0) > best.get("en", 0.0) else "en"


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of an error outside of GraphQL execution."""
    return STATUS.get(error.code, 500)


def body_of(error: GatewayError, language: Language) -> dict[str, Any]:
    """Return an error as a GraphQL response."""
    return {"errors": [{"message": error.message(language), "extensions": error.extensions}]}


def headers_of(error: GatewayError) -> tuple[tuple[bytes, bytes], ...]:
    """Return what an error's status calls for: when to come again, or how to say who one is."""
    if isinstance(error, RateLimited):
        return ((b"retry-after", b"%d" % error.seconds),)
    if isinstance(error, Unauthenticated):
        return ((b"www-authenticate", b"Bearer"),)
    return ()


def told(error: GatewayError, language: Language) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """Return the headers and the body of an answer in JSON that is an error."""
    body = orjson.dumps(body_of(error, language))
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        *headers_of(error),
    ]
    return headers, body


def public_error(error: GraphQLError, language: Language) -> GraphQLError:
    """Return what a caller may see of an error; anything unforeseen is masked and logged."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GatewayError) and not isinstance(cause, ScopeViolation):
        found = cause.extensions
        if "argument" not in found and (argument := _argument_of(error)) is not None:
            found["argument"] = argument
        return _like(error, cause.message(language), found)
    if cause is None or isinstance(cause, GraphQLError):
        return _like(error, error.message, _refusal(error))
    hidden = masked(cause)
    return _like(error, hidden.message(language), hidden.extensions)


class Internal(GatewayError):
    """Something unforeseen, which the log has under the incident's number."""

    def __init__(self, incident: str) -> None:
        super().__init__("Internal error.", "内部错误。")
        self.incident = incident

    @property
    def extensions(self) -> dict[str, object]:
        """The code and the incident."""
        return {**super().extensions, "incident": self.incident}


def masked(cause: BaseException) -> GatewayError:
    """Return what may be told of an error; the log has an unforeseen one, under a number."""
    if isinstance(cause, GatewayError) and not isinstance(cause, ScopeViolation):
        return cause
    incident = secrets.token_hex(8)
    # where and what kind, never the message: a database's messages carry values of rows
    frames = "".join(traceback.format_tb(cause.__traceback__))
    state = getattr(getattr(cause, "orig", None), "sqlstate", "")
    _log.error("incident %s: %s %s\n%s", incident, type(cause).__name__, state, frames)
    return Internal(incident)


def _refusal(error: GraphQLError) -> dict[str, Any]:
    """Return the extensions of an error that GraphQL's own rules raise."""
    scalar = _SCALAR.search(error.message)
    if scalar is None and not _VARIABLE.match(error.message):
        return {"code": _code(error)}
    argument = _argument_of(error)
    if scalar is None and argument is None:
        return {"code": _code(error)}
    found = {"code": "BAD_USER_INPUT"}
    if argument is not None:
        found["argument"] = argument
    if scalar is not None:
        found["accepted"] = _FORMS[scalar[1]]
    return found


def _argument_of(error: GraphQLError) -> str | None:
    """Return the variable or the argument whose value could not be read, if it was that."""
    if error.path is not None:
        return None
    if found := _VARIABLE.match(error.message):
        return found[1]
    if error.source is None or not error.positions:
        return None
    finder = _ArgumentAt(min(error.positions))
    with suppress(GraphQLError):
        visit(parse(error.source.body), finder)
    return ".".join(finder.names) or None


class _ArgumentAt(Visitor):
    """Collects the names of the argument, and of the input fields in it, around a position."""

    def __init__(self, position: int) -> None:
        super().__init__()
        self.position, self.names = position, list[str]()

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        """Look at an argument."""
        self._note(node)

    def enter_object_field(self, node: ObjectFieldNode, *_: object) -> None:
        """Look at an input object's field."""
        self._note(node)

    def _note(self, node: ArgumentNode | ObjectFieldNode) -> None:
        value = node.value.loc
        if value is not None and value.start <= self.position < value.end:
            self.names.append(node.name.value)


def _code(error: GraphQLError) -> str:
    if error.message.startswith("Syntax Error"):
        return "GRAPHQL_PARSE_FAILED"
    return "GRAPHQL_VALIDATION_FAILED" if error.path is None else "BAD_USER_INPUT"


def _like(error: GraphQLError, message: str, extensions: dict[str, Any]) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=extensions,
    )
