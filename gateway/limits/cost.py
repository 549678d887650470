"""What an operation can cost, by its coerced variables, before any of it runs.

A point is about 3 microseconds of one core, PostgreSQL's and the gateway's together, measured on
the benchmark's pages: a page of 1000 users with their products takes 5.6 ms, 36 months of one
vendor take 1.7 ms. An object of the answer is a point unless `_WEIGHTS` says more; a list has as
many as its `first` or `last` asks for; what looks at a whole list has a price of its own. How many
there really are is counted in the answer, and the rest is given back.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SchemaMetaFieldDef,
    SelectionSetNode,
    TypeMetaFieldDef,
    VariableNode,
    get_named_type,
)

from gateway.limits.given import MOST_PRODUCTS, MOST_VENDORS, Given, value_of
from gateway.limits.sums import sums_of
from gateway.records.keyset import DEFAULT_PAGE, MAX_PAGE

BASE: Final = 100
"""Any operation: reading it, admitting the caller, one way to the database and back."""
MICROS: Final = 3
"""Microseconds of one core that a point stands for."""
_INTROSPECTION: Final = 2000
_FIELD: Final = 3
"""A field of an object where the executor answers, which asks for each by itself."""
_WEIGHTS: Final = {"MonthlyStat": 10, "MonthlyTotal": 10, "Change": 5}
_LOOKS_AT_ALL: Final = {
    "totalCount": 100,
    "counts": 100,
    "totals": 1000,
    "findings": 1000,
    "feesByPack": 10,
    "download": 20,
    "previousMonth": 5,
    "sameMonthLastYear": 5,
}
_ASSUMED: Final = {"otherServices": 3, "history": 3, "vendors": 100, "fields": 5}
"""How many a list without `first` is taken to have; five for any other."""
_OTHERS: Final = 5
_OF_A_TYPE: Final = {
    "fields": 4, "args": 1, "inputFields": 1, "enumValues": 2, "interfaces": 1, "possibleTypes": 1,
}  # fmt: skip
"""How many of what tells of the schema a type or a field has, of this schema on the average."""
_TELLS: Final = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
"""The fields by which a schema tells of itself."""
_ROWS: Final = frozenset({"nodes", "edges"})

_TEXTS: Final = {"text": 2}
"""Braces in what the gateway itself writes, which are counted as objects."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an operation can cost at most, and how many objects its answer then has.

    Of the cost `flat` points are due whatever comes; all of them if it is not `counted`.
    """

    cost: int
    objects: int
    flat: int = 0
    counted: bool = True
    fields: int = 0
    """How many fields of objects there are, which only the executor looks at one by one."""

    @property
    def executing(self) -> int:
        """What it costs beyond that where the executor answers."""
        return _FIELD * self.fields

    def of_answer(self, objects: int) -> int:
        """Return what an answer with so many objects has cost: one more for each unforeseen."""
        if not self.counted:
            return self.cost
        if objects >= self.objects:
            return self.cost + objects - self.objects
        due = BASE + self.flat
        return due + (self.cost - due) * objects // self.objects


@dataclass(frozen=True, slots=True)
class _Part:
    """Points and objects that are there whatever the values, and parts that depend on them.

    `flat` are those of the points that are no object's; in a list they come with its rows.
    """

    cost: int = 0
    objects: int = 0
    flat: int = 0
    fields: int = 0
    lists: tuple[tuple[Callable[[Given], int], "_Part"], ...] = ()
    shown: tuple[tuple[Callable[[Given], bool], "_Part"], ...] = ()

    def of(self, given: Given) -> tuple[int, int, int, int]:
        """Return points, objects, flat points, and fields."""
        cost, objects, flat, fields = self.cost, self.objects, self.flat, self.fields
        for size, part in self.lists:
            number = size(given)
            points, those, _, looked = part.of(given)
            cost, objects = cost + number * points, objects + number * those
            fields += number * looked
        for condition, part in self.shown:
            if condition(given):
                points, those, due, looked = part.of(given)
                cost, objects = cost + points, objects + those
                flat, fields = flat + due, fields + looked
        return cost, objects, flat, fields

    def most(self) -> tuple[int, int]:
        """Return the objects and the fields of all that may be shown, where no list is asked for.

        So it is of what tells of the schema, whose lists are as long as they are.
        """
        nothing = Given({})
        parts = [(size(nothing), part.most()) for size, part in self.lists]
        parts += [(1, part.most()) for _, part in self.shown]
        objects = self.objects + sum(times * one for times, (one, _) in parts)
        return objects, self.fields + sum(times * one for times, (_, one) in parts)

    @property
    def is_fixed(self) -> bool:
        return not self.lists and not self.shown


class Cost:
    """The formula of one operation: made once for a document, worked out for each request."""

    __slots__ = ("_counted", "_part")

    def __init__(
        self,
        schema: GraphQLSchema,
        operation: OperationDefinitionNode,
        fragments: Mapping[str, FragmentDefinitionNode],
    ) -> None:
        """Read a valid operation."""
        root = schema.get_root_type(operation.operation)
        formula = _Formula(schema, fragments)
        self._part = formula.part(root, [operation])
        self._counted = not formula.introspects

    def of(
        self,
        values: Mapping[str, Any],
        vendors: int = MOST_VENDORS,
        products: int = MOST_PRODUCTS,
    ) -> Estimate:
        """Return what the operation can cost with these coerced variables, for such a caller."""
        given = Given(values, min(vendors, MOST_VENDORS), min(products, MOST_PRODUCTS))
        cost, objects, flat, fields = self._part.of(given)
        return Estimate(BASE + cost, objects, flat, self._counted, fields)


@dataclass(frozen=True, slots=True)
class _Listed:
    """The connection that a selection is of: its field, and how many rows its page has."""

    rows: int | Callable[[Given], int]
    field: FieldNode


class _Sum:
    """A part as it is added up."""

    def __init__(self) -> None:
        self.cost = self.objects = self.flat = self.fields = 0
        self.lists: list[tuple[Callable[[Given], int], _Part]] = []
        self.shown: list[tuple[Callable[[Given], bool], _Part]] = []

    def add(self, part: _Part, times: int = 1) -> None:
        self.cost += times * part.cost
        self.objects += times * part.objects
        self.fields += times * part.fields
        if times == 1:
            self.flat += part.flat
            self.lists += part.lists
            self.shown += part.shown
        elif times and not part.is_fixed:
            rest = _Part(lists=part.lists, shown=part.shown)
            self.lists.append((lambda _: times, rest))

    def add_list(self, size: int | Callable[[Given], int], part: _Part) -> None:
        if isinstance(size, int):
            self.add(part, size)
        else:
            self.lists.append((size, part))

    def part(self) -> _Part:
        of_all = (self.cost, self.objects, self.flat, self.fields)
        return _Part(*of_all, tuple(self.lists), tuple(self.shown))


class _Formula:
    def __init__(
        self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]
    ) -> None:
        self._schema, self._fragments = schema, fragments
        self.introspects = False

    def part(
        self,
        kind: Any,
        nodes: Iterable[Any],
        listed: _Listed | None = None,
    ) -> _Part:
        """Return what nodes select of a type, which a connection may be."""
        found = _Sum()
        grouped: dict[str, dict[int, FieldNode]] = {}
        for node in nodes:
            self._collect(kind, node.selection_set, grouped, found, listed, set())
        for same in grouped.values():
            self._add(found, kind, list(same.values()), listed)
        return found.part()

    def _collect(
        self,
        kind: Any,
        selection: SelectionSetNode | None,
        grouped: dict[str, dict[int, FieldNode]],
        found: _Sum,
        listed: _Listed | None,
        seen: set[str],
    ) -> None:
        """Gather fields by response key: one key is one field, however often it is selected."""
        for node in selection.selections if selection else ():
            condition = _condition(node)
            if condition is not None:
                part = self._conditional(kind, node, listed)
                if isinstance(condition, bool):
                    if condition:
                        found.add(part)
                else:
                    found.shown.append((condition, part))
            elif isinstance(node, FieldNode):
                key = (node.alias or node.name).value
                grouped.setdefault(key, {})[id(node)] = node
            else:
                inner = self._inner(kind, node, seen)
                self._collect(kind, inner, grouped, found, listed, seen)

    def _inner(self, kind: Any, node: Any, seen: set[str]) -> SelectionSetNode | None:
        """Return what a fragment selects of a type, if it applies."""
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name in seen:
                return None
            seen.add(name)
            node = self._fragments[name]
        on = node.type_condition
        if on is not None and not self._applies(on.name.value, kind):
            return None
        inner: SelectionSetNode = node.selection_set
        return inner

    def _conditional(self, kind: Any, node: Any, listed: _Listed | None) -> _Part:
        found = _Sum()
        if isinstance(node, FieldNode):
            self._add(found, kind, [node], listed)
        elif (inner := self._inner(kind, node, set())) is not None:
            found.add(self.part(kind, [InlineFragmentNode(selection_set=inner)], listed))
        return found.part()

    def _applies(self, name: str, kind: Any) -> bool:
        condition = self._schema.get_type(name)
        return (
            condition is kind
            or isinstance(kind, GraphQLInterfaceType)
            or isinstance(condition, GraphQLInterfaceType)
        )

    def _add(self, found: _Sum, kind: Any, nodes: list[FieldNode], listed: _Listed | None) -> None:
        name = nodes[0].name.value
        if name == "__typename":
            found.fields += 1
            return
        if name in _TELLS:
            self.introspects = True
            told = self.part(get_named_type(_TELLS[name].type), nodes)
            found.cost += _INTROSPECTION + sum(told.most())
            return
        definition = self._definition(kind, name)
        if definition is None:
            return
        inner = get_named_type(definition.type)
        found.cost += _LOOKS_AT_ALL.get(name, 0)
        found.flat += _LOOKS_AT_ALL.get(name, 0)
        if listed is not None and name == "delimited":
            found.add_list(listed.rows, _Part(1, 0))
        if not isinstance(inner, GraphQLObjectType | GraphQLInterfaceType):
            found.objects += _TEXTS.get(name, 0)
            found.fields += 1
            return
        below = _Sum()
        below.cost, below.objects = _WEIGHTS.get(inner.name, 1), 1
        is_page = inner.name.endswith("Connection")
        page = _Listed(_page(nodes[0]), nodes[0]) if is_page else None
        below.add(self.part(inner, nodes, page))
        if listed is not None and name in _ROWS:
            found.add_list(listed.rows, below.part())
        elif listed is not None and name == "totals":
            found.add_list(partial(sums_of, nodes[0], listed.field), below.part())
        elif _is_list(definition.type):
            found.add_list(self._assumed(kind, name), below.part())
        else:
            found.add(below.part())

    def _assumed(self, kind: Any, name: str) -> int:
        """Return how long a list is taken to be that nothing is said of."""
        if not kind.name.startswith("__"):
            return _ASSUMED.get(name, _OTHERS)
        return len(self._schema.type_map) if name == "types" else _OF_A_TYPE.get(name, _OTHERS)

    def _definition(self, kind: Any, name: str) -> Any:
        owners = [kind]
        if isinstance(kind, GraphQLInterfaceType):
            owners += self._schema.get_possible_types(kind)
        return next((one.fields[name] for one in owners if name in one.fields), None)


def _is_list(kind: Any) -> bool:
    while isinstance(kind, GraphQLNonNull):
        kind = kind.of_type
    return isinstance(kind, GraphQLList)


def _page(node: FieldNode) -> int | Callable[[Given], int]:
    """Return how many rows a connection is asked for."""
    known: int | None = None
    names: list[str] = []
    for one in node.arguments or ():
        if one.name.value not in {"first", "last"} or isinstance(one.value, NullValueNode):
            continue
        if isinstance(one.value, VariableNode):
            names.append(one.value.name.value)
        elif isinstance(one.value, IntValueNode):
            known = _bounded(int(one.value.value))
    if known is not None:
        return known
    return partial(_asked, tuple(names)) if names else DEFAULT_PAGE


def _asked(names: tuple[str, ...], given: Given) -> int:
    for name in names:
        size = given.values.get(name)
        if size is not None:
            return _bounded(size)
    return DEFAULT_PAGE


def _bounded(size: int) -> int:
    """Return a page's size as it can be: any other is refused when the operation runs."""
    return min(max(size, 0), MAX_PAGE)


def _condition(node: Any) -> bool | Callable[[Given], bool] | None:
    """Return whether a selection is there; None where nothing says that it might not be."""
    needs: list[tuple[Any, bool]] = []
    for directive in node.directives or ():
        name = directive.name.value
        if name in {"skip", "include"}:
            needs.append((directive.arguments[0].value, name == "include"))
    if not needs:
        return None
    if any(isinstance(value, VariableNode) for value, _ in needs):
        return partial(_shown, tuple(needs))
    return _shown(tuple(needs), Given({}))


def _shown(needs: tuple[tuple[Any, bool], ...], given: Given) -> bool:
    return all(bool(value_of(value, given)) is wanted for value, wanted in needs)
