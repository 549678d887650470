"""Strawberry's executor, as the way to answer what is not compiled: whoever asks is told all."""

from collections.abc import Mapping
from typing import Any, Final

import strawberry
from graphql import GraphQLError
from sqlalchemy.ext.asyncio import AsyncEngine
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError

from gateway.errors import Language
from gateway.exports.links import Links
from gateway.http.errors import public_error
from gateway.schema.context import Context
from gateway.tenancy.scope import Scope

MOST_ERRORS: Final = 10
"""That are told of a document which is not run: each is looked up in its text."""


class Executor:
    """Runs documents field by field; errors are masked and told in the caller's language."""

    def __init__(self, schema: strawberry.Schema, engine: AsyncEngine, links: Links) -> None:
        """Take what operations need."""
        self._schema, self._engine, self._links = schema, engine, links

    async def answer(
        self,
        query: str,
        name: str | None,
        variables: Mapping[str, Any],
        scope: Scope,
        base_url: str,
        language: Language,
        purpose: str | None,
    ) -> tuple[dict[str, Any], bool]:
        """Return a response, and whether the operation was refused before it ran.

        The operation's session is closed by then.
        """
        context = Context(self._engine, scope, self._links, base_url, language, purpose)
        try:
            result = await self._schema.execute(
                query,
                variable_values=dict(variables),
                context_value=context,
                operation_name=name,
            )
        except CannotGetOperationTypeError as error:
            return _refused(GraphQLError(error.as_http_error_reason()), language), True
        except MissingQueryError:
            return _refused(GraphQLError("Syntax Error: the document is empty."), language), True
        finally:
            await context.close()
        errors = result.errors or []
        if errors and result.data is None and all(error.path is None for error in errors):
            told = [public_error(error, language).formatted for error in errors[:MOST_ERRORS]]
            return {"errors": told}, True
        answer: dict[str, Any] = {"data": result.data}
        if errors:
            answer["errors"] = [public_error(error, language).formatted for error in errors]
        return answer, False


def _refused(error: GraphQLError, language: Language) -> dict[str, Any]:
    return {"errors": [public_error(error, language).formatted]}
