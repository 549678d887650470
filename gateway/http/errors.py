"""How errors look outside: the caller's language, a public code, and nothing internal."""

import logging
import secrets
import traceback
from typing import Any

from graphql import GraphQLError

from gateway.errors import GatewayError, Language, ScopeViolation

_log = logging.getLogger(__name__)

STATUS = {
    "UNAUTHENTICATED": 401,
    "NOT_FOUND": 404,
    "BAD_USER_INPUT": 400,
    "UNAVAILABLE": 503,
    "TIMEOUT": 504,
}


def language_of(header: str | None) -> Language:
    """Return Chinese if `Accept-Language` prefers it to English, else English."""
    for choice in (header or "").lower().split(","):
        tag = choice.partition(";")[0].strip()
        if tag.startswith("zh"):
            return "zh"
        if tag.startswith("en"):
            return "en"
    return "en"


def status_of(error: GatewayError) -> int:
    """Return the HTTP status of an error outside of GraphQL execution."""
    return STATUS.get(error.code, 500)


def body_of(error: GatewayError, language: Language) -> dict[str, Any]:
    """Return an error as a GraphQL response."""
    return {"errors": [{"message": error.message(language), "extensions": error.extensions}]}


def public_error(error: GraphQLError, language: Language) -> GraphQLError:
    """Return what a caller may see of an error; anything unforeseen is masked and logged."""
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    if isinstance(cause, GatewayError) and not isinstance(cause, ScopeViolation):
        return _like(error, cause.message(language), cause.extensions)
    if cause is None or isinstance(cause, GraphQLError):
        return _like(error, error.message, {"code": _code(error)})
    incident = secrets.token_hex(8)
    # where and what kind, never the message: a database's messages carry values of rows
    frames = "".join(traceback.format_tb(cause.__traceback__))
    state = getattr(getattr(cause, "orig", None), "sqlstate", "")
    _log.error("incident %s: %s %s\n%s", incident, type(cause).__name__, state, frames)
    message = "内部错误。" if language == "zh" else "Internal error."
    return _like(error, message, {"code": "INTERNAL", "incident": incident})


def _code(error: GraphQLError) -> str:
    if error.message.startswith("Syntax Error"):
        return "GRAPHQL_PARSE_FAILED"
    if error.message.startswith("Variable "):
        return "BAD_USER_INPUT"
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
