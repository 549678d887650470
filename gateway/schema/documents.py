"""Documents: parsed and validated by the schema's rules and the gateway's limits."""

from collections.abc import Iterator
from typing import Any, Final

import strawberry
from graphql import (
    ASTValidationRule,
    DocumentNode,
    GraphQLError,
    OperationDefinitionNode,
    ValidationContext,
    parse,
    specified_rules,
    validate,
)
from strawberry.extensions import SchemaExtension, max_aliases, query_depth_limiter

MAX_TOKENS: Final = 5000
_Depth: Any = query_depth_limiter.create_validator(15, None, None)


class _DepthLimit(_Depth):  # type: ignore[misc]
    """Strawberry's limit of depth, for documents that it can't measure too."""

    def __init__(self, context: ValidationContext) -> None:
        try:
            super().__init__(context)
        except KeyError:
            ASTValidationRule.__init__(self, context)  # an unknown fragment: another rule tells it
        except ValueError:
            ASTValidationRule.__init__(self, context)
            context.report_error(GraphQLError("A selection must not be empty.", context.document))


LIMITS: Final[list[type[ASTValidationRule]]] = [_DepthLimit, max_aliases.create_validator(50)]
"""Built once: a rule made anew for each request would defeat the validation cache."""


class OperationNamed(SchemaExtension):
    """Of several operations, the request says which (GraphQL specification, 6.1 GetOperation)."""

    def on_parse(self) -> Iterator[None]:
        """Look at what was parsed."""
        yield
        document = self.execution_context.graphql_document
        named = self.execution_context._provided_operation_name is not None  # noqa: SLF001
        if document is not None and not named and len(operations_of(document)) > 1:
            raise GraphQLError("Must provide operation name if query contains multiple operations.")


class OperationNoted(SchemaExtension):
    """Tells the context what is asked, for the audit log."""

    def on_operation(self) -> Iterator[None]:
        """Note the document and its variables before anything is done with them."""
        asked = self.execution_context
        if asked.query is not None:
            name = asked._provided_operation_name  # noqa: SLF001
            asked.context.request = (asked.query, name, asked.variables or {})
        yield


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return a document's operations."""
    return [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]


def checked(schema: strawberry.Schema, text: str) -> DocumentNode | None:
    """Return a document that the executor would run; None for any other, which it explains."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        rules = [*specified_rules, *LIMITS]
        wrong = validate(schema._schema, document, rules, max_errors=1)  # noqa: SLF001
    except (GraphQLError, ValueError, KeyError, RecursionError):
        return None
    return None if wrong else document
