"""Documents: parsed and validated by the schema's rules and the gateway's limits."""

from typing import Final

import strawberry
from graphql import ASTValidationRule, DocumentNode, GraphQLError, parse, specified_rules, validate
from strawberry.extensions import max_aliases, query_depth_limiter

MAX_TOKENS: Final = 5000
LIMITS: Final[list[type[ASTValidationRule]]] = [
    query_depth_limiter.create_validator(15, None, None),
    max_aliases.create_validator(50),
]
"""Built once: a rule made anew for each request would defeat the validation cache."""


def checked(schema: strawberry.Schema, text: str) -> DocumentNode | None:
    """Return a document that the executor would run; None for any other, which it explains."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        rules = [*specified_rules, *LIMITS]
        wrong = validate(schema._schema, document, rules, max_errors=1)  # noqa: SLF001
    except (GraphQLError, ValueError, KeyError, RecursionError):
        return None
    return None if wrong else document
