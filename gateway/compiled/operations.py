"""Operations answered by one statement each: validated once, compiled once per shape, cached."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final, NamedTuple

import orjson
import strawberry
from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
)
from sqlalchemy import ColumnElement, case, func, literal, or_, select

from gateway.audit.access import Asked, rows_of
from gateway.catalogue.formats import Formats
from gateway.compiled.request import DECLINED, HOLE, Link, Request, Uncompiled
from gateway.compiled.roots import ROOTS
from gateway.compiled.text import Json, constant, json_of, mapping, refuses, unmarked
from gateway.compiled.uncompiled import selects_uncompiled
from gateway.compiled.variables import Variables
from gateway.errors import CostLimit, GatewayError, ScopeViolation
from gateway.kinds import TEXT
from gateway.limits.cost import Cost
from gateway.recording import Memory, Recording
from gateway.schema.asked import asked_in, asked_of
from gateway.schema.documents import checked, fragments_of, hold_to_length, operations_of
from gateway.schema.selection import Selected, Selection
from gateway.tenancy.scope import Scope
from gateway.tenancy.sealed import Sealed, seal

MOST_DOCUMENTS: Final = 1000
MOST_PLANS: Final = 2000
MOST_CHARACTERS: Final = 2_000_000
"""Of all kept documents together: read, each takes a hundred bytes of memory."""
PLAN_CHARACTERS: Final = 20_000
"""Of a statement that counts as one plan; a longer one counts as several."""


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

    def completed(self, answer: bytes) -> tuple[bytes, int]:
        """Return the response's body, and how many objects it has in lists.

        Raise Uncompiled where the statement declined.
        """
        plan = self.plan
        if answer == DECLINED:
            raise Uncompiled("rulePack")
        if refuses(answer):
            raise Uncompiled("format")
        answer, listed = json_of(answer)
        if plan.holes:
            parts = answer.split(HOLE)
            for i in range(1, len(parts), 2):
                number, *row = orjson.loads(parts[i])
                fill = plan.holes[number]
                parts[i] = (self.values[fill] if isinstance(fill, int) else fill)(*row)
            answer = b"".join(parts)
        return b"".join((plan.before, answer, plan.behind)), listed

    def rows(self, body: bytes, listed: int) -> int:
        """Return how many objects a response has in lists and alone at the roots, and lines."""
        if self.asked.single or self.asked.lines:
            return rows_of(orjson.loads(body)["data"], self.asked)
        return listed


@dataclass(slots=True, eq=False)
class Document:
    """A validated operation: what it costs, its plans, or why it is the executor's.

    Without an operation the executor tells what is wrong; `refusal` is told at once.
    """

    operation: OperationDefinitionNode | None
    variables: Variables | None = None
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)
    reason: str = ""
    asked: Asked = field(default_factory=lambda: Asked(""))
    plans: Memory[Plan] = field(default_factory=Memory)
    cost: Cost | None = None
    refusal: CostLimit | None = None
    forgotten: bool = False

    @property
    def only_reads(self) -> bool:
        """Whether the operation may be asked for by GET."""
        return self.operation is None or self.operation.operation is OperationType.QUERY

    def coerced(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of its variables; raise Uncompiled where the executor tells why not."""
        if self.variables is None:
            raise Uncompiled(self.reason)
        try:
            return self.variables.coerced(given)
        except (GraphQLError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            raise Uncompiled("input") from error


class Wanted(NamedTuple):
    """A request's operation, and its values as a recording takes them."""

    document: Document
    scope: Scope
    coerced: Mapping[str, Any]
    today: date
    link: Link
    formats: Formats


class Compiled(NamedTuple):
    """A new plan, and what was done with the values that it was compiled by."""

    recording: Recording
    plan: Plan


class Operations:
    """The plans of one server process, those least recently used forgotten."""

    def __init__(self, schema: strawberry.Schema) -> None:
        """Take the schema, which stays the single source of truth."""
        self._schema = schema
        self._graph = schema._schema  # noqa: SLF001 (no public way to graphql-core's)
        self._known: OrderedDict[tuple[str, str | None], Document] = OrderedDict()
        self._plans = self._characters = 0

    @property
    def plans(self) -> int:
        """How many plans are kept, long ones counted as several."""
        return self._plans

    def planned(self, wanted: Wanted) -> Prepared | None:
        """Return the plan of a request, with its values; None if there is none yet.

        It is soon found. Uncompiled if there can't be one.
        """
        document, values = wanted.document, list[Any](wanted[1:])
        if document.reason:
            raise Uncompiled(document.reason)
        try:
            plan = document.plans.find(values)
        except (GatewayError, GraphQLError, ValueError, TypeError, ArithmeticError) as error:
            raise Uncompiled("input") from error
        except RecursionError:
            raise Uncompiled("input") from None
        return None if plan is None else Prepared(plan, values, document.asked)

    def known(self, query: str, name: str | None) -> Document | None:
        """Return what is known of an operation, if it was read already."""
        key = (query, name)
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def document(self, query: str, name: str | None) -> Document:
        """Return what is known of an operation; read it, if it is new.

        CostLimit for one that is too long to be kept.
        """
        known = self.known(query, name)
        if known is not None:
            return known
        return self.remember(query, name, self.read(query, name))

    def remember(self, query: str, name: str | None, found: Document) -> Document:
        """Know an operation from now on that was read; return what is known of it."""
        known = self.known(query, name)
        if known is not None:
            return known
        self._known[query, name] = found
        self._characters += len(query) + len(name or "")
        while len(self._known) > MOST_DOCUMENTS or self._characters > MOST_CHARACTERS:
            self._forget_oldest()
        return found

    def _forget_oldest(self) -> None:
        (query, name), gone = self._known.popitem(last=False)
        gone.forgotten = True
        self._characters -= len(query) + len(name or "")
        self._plans -= gone.plans.plans

    def read(self, query: str, name: str | None) -> Document:
        """Return what is to be known of an operation, and what the audit log says of it.

        Nothing is kept: any thread may do it. CostLimit for one that is too long to be kept.
        """
        hold_to_length(query)
        hold_to_length(name or "")
        try:
            document = checked(self._schema, query)
        except CostLimit as error:
            asked = asked_of(self._graph, query, name)
            return Document(None, reason="limits", refusal=error, asked=asked)
        if document is None:
            return Document(None, reason="invalid", asked=asked_of(self._graph, query, name))
        found = self._operation(document, name)
        found.asked = asked_in(self._graph, document, query, name)
        return found

    def _operation(self, document: DocumentNode, name: str | None) -> Document:
        operations = operations_of(document)
        named = [one for one in operations if one.name is not None and one.name.value == name]
        if name is None and len(operations) == 1:
            named = operations
        if len(named) != 1:
            return Document(None, reason="operation")
        (operation,) = named
        fragments = fragments_of(document)
        if operation.operation is not OperationType.QUERY:
            reason = operation.operation.value
        else:
            reason = _left(self._graph, operation, fragments)
        try:
            variables = Variables(self._graph, operation)
        except (GraphQLError, ValueError):
            return Document(None, reason="variables")
        cost = Cost(self._graph, operation, fragments)
        return Document(operation, variables, fragments, reason, cost=cost)

    def compiled(self, wanted: Wanted) -> Prepared:
        """Compile a plan by the request's values, and keep it for all of its shape."""
        return self.keep(wanted, self.compile(wanted))

    def compile(self, wanted: Wanted) -> Compiled:
        """Compile a plan by the request's values. Nothing is kept: any thread may do it."""
        document = wanted.document
        recording, request = Request.recorded(*wanted[1:])
        operation = document.operation
        assert operation is not None  # noqa: S101 (the caller has looked)
        selection = Selection(self._graph, document.fragments, request.variables)
        try:
            roots = selection.below(self._graph.query_type, [operation], "")
            json = mapping((one.key, _root(request, one)) for one in roots)
            before, inner, behind = json.unwrapped()
            answer: ColumnElement[Any] = func.textsend(inner.long_text)
            if request.unless:
                declined = func.textsend(literal(DECLINED.decode(), TEXT))
                answer = case((or_(*request.unless), declined), else_=answer)
            sealed = seal(select(answer), wanted.scope)
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
        return Compiled(recording, plan)

    def keep(self, wanted: Wanted, compiled: Compiled) -> Prepared:
        """Keep a plan for all requests of its shape, if its document is still known."""
        document, (recording, plan) = wanted.document, compiled
        if document.forgotten:
            return Prepared(plan, recording.values, document.asked)
        kept = document.plans.plans
        weight = 1 + len(plan.sealed.text) // PLAN_CHARACTERS
        document.plans.keep(recording, plan, weight)
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


def _left(
    schema: GraphQLSchema,
    operation: OperationDefinitionNode,
    fragments: Mapping[str, FragmentDefinitionNode],
) -> str:
    """Say why an operation is the executor's by what it selects; nothing if it is not."""
    if _introspects(operation, fragments):
        return "introspection"
    return "field" if selects_uncompiled(schema, operation, fragments.values()) else ""


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
