"""Operations answered by one statement each: validated once, compiled once per shape, cached."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import orjson
import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
)
from sqlalchemy import func, select

from gateway.audit.access import Asked, rows_of
from gateway.compiled.request import HOLE, Link, Request
from gateway.compiled.roots import ROOTS
from gateway.compiled.text import Json, constant, mapping, marked, unmarked
from gateway.compiled.variables import Variables
from gateway.errors import GatewayError, ScopeViolation
from gateway.recording import Memory
from gateway.schema.asked import asked_of
from gateway.schema.documents import checked, operations_of
from gateway.schema.selection import Selected, Selection
from gateway.tenancy.admission import Admission
from gateway.tenancy.sealed import Sealed, seal

MOST_DOCUMENTS: Final = 1000
MOST_PLANS: Final = 2000
_FIRST: Final = marked('[{"').encode()
_NEXT: Final = marked('},{"').encode()


class Uncompiled(Exception):
    """The executor answers this request; the message says why, in a word."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A statement, what fills the holes that its answer may have, and what goes around it."""

    sealed: Sealed
    by_values: bool
    holes: tuple[Any, ...]
    before: bytes
    behind: bytes


@dataclass(frozen=True, slots=True)
class Prepared:
    """A plan with a request's values: ready to be asked. `asked` is for the audit log."""

    plan: Plan
    values: list[Any]
    asked: Asked

    def completed(self, answer: bytes) -> bytes:
        """Return the response's body."""
        plan = self.plan
        answer = unmarked(answer)
        if plan.holes:
            parts = answer.split(HOLE)
            for i in range(1, len(parts), 2):
                number, *row = orjson.loads(parts[i])
                fill = plan.holes[number]
                parts[i] = (self.values[fill] if isinstance(fill, int) else fill)(*row)
            answer = b"".join(parts)
        return b"".join((plan.before, answer, plan.behind))

    def rows(self, answer: bytes, body: bytes) -> int:
        """Return how many objects an answer has in lists, and alone at the roots.

        Quotation marks of JSON are marked in it, so that no text can look like an object's begin.
        """
        if self.asked.single:
            return rows_of(orjson.loads(body)["data"], self.asked.single)
        return answer.count(_NEXT) + answer.count(_FIRST)


@dataclass(slots=True, eq=False)
class _Document:
    """A validated operation and its plans, or why it is the executor's."""

    operation: OperationDefinitionNode | None
    variables: Variables | None = None
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)
    reason: str = ""
    asked: Asked = field(default_factory=lambda: Asked(""))
    plans: Memory[Plan] = field(default_factory=Memory)


class Operations:
    """The plans of one server process, those least recently used forgotten."""

    def __init__(self, schema: strawberry.Schema) -> None:
        """Take the schema, which stays the single source of truth."""
        self._schema = schema
        self._graph = schema._schema  # noqa: SLF001 (no public way to graphql-core's)
        self._known: OrderedDict[tuple[str, str | None], _Document] = OrderedDict()
        self._plans = 0

    @property
    def plans(self) -> int:
        """How many plans are kept."""
        return self._plans

    def prepare(
        self,
        query: str,
        name: str | None,
        variables: Mapping[str, Any],
        caller: Admission,
        today: date,
        link: Link,
    ) -> Prepared:
        """Return the plan of a request, with its values; raise Uncompiled if there can't be one."""
        document = self._document(query, name)
        if document.operation is None or document.variables is None:
            raise Uncompiled(document.reason)
        try:
            coerced = document.variables.coerced(variables)
            given = [caller.scope, coerced, today, link]
            values = list(given)
            plan = document.plans.find(values)
        except (GatewayError, GraphQLError, ValueError, TypeError, ArithmeticError) as error:
            raise Uncompiled("input") from error
        except RecursionError:
            raise Uncompiled("input") from None
        if plan is not None:
            return Prepared(plan, values, document.asked)
        return self._compiled(document, given)

    def _document(self, query: str, name: str | None) -> _Document:
        key = (query, name)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
            return found
        found = self._known[key] = self._read(query, name)
        while len(self._known) > MOST_DOCUMENTS:
            self._forget_oldest()
        return found

    def _forget_oldest(self) -> None:
        _, gone = self._known.popitem(last=False)
        self._plans -= gone.plans.plans

    def _read(self, query: str, name: str | None) -> _Document:
        document = checked(self._schema, query)
        if document is None:
            return _Document(None, reason="invalid")
        operations = operations_of(document)
        named = [one for one in operations if one.name is not None and one.name.value == name]
        if name is None and len(operations) == 1:
            named = operations
        if len(named) != 1:
            return _Document(None, reason="operation")
        (operation,) = named
        if operation.operation is not OperationType.QUERY:
            return _Document(None, reason=operation.operation.value)
        fragments = {
            one.name.value: one
            for one in document.definitions
            if isinstance(one, FragmentDefinitionNode)
        }
        if _introspects(operation, fragments):
            return _Document(None, reason="introspection")
        try:
            variables = Variables(self._graph, operation)
        except (GraphQLError, ValueError):
            return _Document(None, reason="variables")
        return _Document(operation, variables, fragments, asked=asked_of(self._graph, query, name))

    def _compiled(self, document: _Document, given: list[Any]) -> Prepared:
        """Compile a plan by the request's values, and keep it for all of its shape."""
        scope, variables, today, link = given
        recording, request = Request.recorded(scope, variables, today, link)
        operation = document.operation
        assert operation is not None  # noqa: S101 (the caller has looked)
        selection = Selection(self._graph, document.fragments, request.variables)
        try:
            roots = selection.below(self._graph.query_type, [operation], "")
            json = mapping((one.key, _root(request, one)) for one in roots)
            before, inner, behind = json.unwrapped()
            sealed = seal(select(func.textsend(inner.long_text)), scope)
        except ScopeViolation:
            raise
        except (GatewayError, GraphQLError, ValueError, ArithmeticError) as error:
            raise Uncompiled("input") from error
        plan = Plan(
            sealed,
            request.by_values,
            tuple(request.places_of_holes),
            b'{"data":' + unmarked(before.encode()),
            unmarked(behind.encode()) + b"}",
        )
        kept = document.plans.plans
        document.plans.keep(recording, plan)
        self._plans += document.plans.plans - kept
        while self._plans > MOST_PLANS and len(self._known) > 1:
            self._forget_oldest()
        if self._plans > MOST_PLANS:
            self._plans, document.plans = 0, Memory()
        return Prepared(plan, recording.values, document.asked)


def _root(request: Request, one: Selected) -> Json:
    if one.name == "__typename":
        return constant("Query")
    if one.name not in ROOTS:
        raise Uncompiled("field")
    return ROOTS[one.name](request, one)


def _introspects(
    operation: OperationDefinitionNode, fragments: Mapping[str, FragmentDefinitionNode]
) -> bool:
    """Say whether an operation may ask for the schema itself."""
    waiting: list[Any] = [operation.selection_set, *(f.selection_set for f in fragments.values())]
    while waiting:
        for node in waiting.pop().selections:
            if isinstance(node, FieldNode):
                if node.name.value in {"__schema", "__type"}:
                    return True
            elif getattr(node, "selection_set", None) is not None:
                waiting.append(node.selection_set)
    return False
