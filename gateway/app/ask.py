"""Asking the graph without a server: the same schema, scope and session."""

from typing import Any

import orjson

from gateway.app.house import House
from gateway.audit.access import Access
from gateway.errors import BadInput, Forbidden
from gateway.http.asked import Asked
from gateway.http.audited import note
from gateway.http.errors import public_error
from gateway.http.origins import allowed_from
from gateway.http.trusted import TrustedDocuments
from gateway.resolvers.query import build_schema
from gateway.schema.asked import asked_of
from gateway.schema.context import Context
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.keys import digest
from gateway.tenancy.terms import read_purpose


async def ask(
    house: House, key: str, document: str, variables: str, purpose: str | None = None
) -> dict[str, Any]:
    """Run a document within a key's scope; return the response as GraphQL over HTTP has it."""
    try:
        values = orjson.loads(variables)
    except orjson.JSONDecodeError as error:
        raise BadInput(
            f"--variables: {error}",
            "变量不是JSON",
            argument="--variables",
            accepted='a JSON object, for instance {"first": 10}',
        ) from error
    if not isinstance(values, dict):
        raise BadInput(
            "--variables is not an object",
            "变量不是JSON对象",
            argument="--variables",
            accepted='a JSON object, for instance {"first": 10}',
        )
    access = Access({"headers": (), "client": ("command line",)}, "query")
    if purpose is not None:
        access.purpose = read_purpose(purpose, "--purpose")
    scope = (await authenticate(house.service, f"Bearer {key}")).stating(access.purpose)
    access.tenant = scope
    schema = build_schema()
    base = house.settings.public_url or f"http://{house.settings.host}:{house.settings.port}"
    try:
        allowed_from(None, lambda: base)(scope.principal)
        asked = Asked(document, None, values)
        await TrustedDocuments(house.service).text(asked, scope.principal, digest(key))
    except Forbidden as error:
        access.outcome = error.code
        access.end(403)
        await house.accesses.put(access)
        raise
    context = Context(house.service, scope, house.links, base.rstrip("/"), "en", access.purpose)
    try:
        result = await schema.execute(document, variable_values=values, context_value=context)
    finally:
        await context.close()
    answer: dict[str, Any] = {"data": result.data}
    if result.errors:
        answer["errors"] = [public_error(error, "en").formatted for error in result.errors]
    graph = schema._schema  # noqa: SLF001 (no public way to graphql-core's)
    note(access, asked_of(graph, document, None), values, answer)
    access.end(200)
    await house.accesses.put(access)
    return answer
