"""What the audit log says of a document: digest, operation, the personal data it selects."""

import hashlib
from functools import lru_cache
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    OperationDefinitionNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableNode,
    Visitor,
    get_nullable_type,
    is_list_type,
    parse,
    visit,
)

from gateway.audit.access import BY_NAME, NAME, Asked
from gateway.records.personal import PERSONAL
from gateway.schema.documents import MAX_TOKENS, operations_of

_PERSONAL: Final = frozenset(PERSONAL.values())
"""Fields of a person; `userName` may be a company's, which a document does not tell."""
_ABOUT: Final = (("Finding", "subject"), ("Finding", "message"), ("Finding", "messageZh"))
_OWN: Final = frozenset({"User", "UserState", "UserVersion"})
_WHOLE: Final = frozenset(
    {("UserConnection", "delimited"), ("FieldChange", "before"), ("FieldChange", "after"), *_ABOUT}
)
"""Fields in which any of them may stand."""
_ENDS: Final = frozenset({"startCursor", "endCursor"})
_SORTED: Final = {"UserEdge": "User", "UserConnection": "User", "FindingEdge": "Finding",
                  "FindingConnection": "Finding"}  # fmt: skip
"""Of which lists cursors tell of persons: what a list is sorted by stands in them.

Users may be sorted by their names; findings always are by their subjects, of which some are names
and telephone numbers.
"""
_MOST: Final = 100


@lru_cache(maxsize=_MOST)
def asked_of(schema: GraphQLSchema, text: str, name: str | None) -> Asked:
    """Return what is to be said of a document's text, readable or not.

    `@skip` and `@include` are not looked at: what may be selected counts as selected.
    """
    try:
        document = parse(text, max_tokens=MAX_TOKENS, no_location=True)
        return asked_in(schema, document, text, name)
    except (GraphQLError, RecursionError):
        return Asked(_digest(text))


def asked_in(schema: GraphQLSchema, document: DocumentNode, text: str, name: str | None) -> Asked:
    """Return the same of a document that is read already."""
    return _of(schema, document, _digest(text), name)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _of(schema: GraphQLSchema, document: DocumentNode, digest: str, name: str | None) -> Asked:
    operations = operations_of(document)
    named = [one for one in operations if one.name is not None and one.name.value == name]
    if name is None and len(operations) == 1:
        named = operations
    if len(named) != 1:
        return Asked(digest)
    (operation,) = named
    fragments = {
        one.name.value: one
        for one in document.definitions
        if isinstance(one, FragmentDefinitionNode)
    }
    collector = _Collector(schema)
    met: set[str] = set()
    waiting: list[Any] = [operation]
    while waiting:
        collector.look(waiting.pop())
        for spread in collector.spreads - met:
            met.add(spread)
            if spread in fragments:
                waiting.append(fragments[spread])
    cursors, ends = collector.cursors, collector.ends
    told = set(collector.personal)
    if "Finding" in cursors | ends:
        told.update(_PERSONAL)
    by_name = "User" in cursors | ends
    if by_name and collector.by_name:
        told.add(NAME)
    return Asked(
        digest,
        None if operation.name is None else operation.name.value,
        tuple(sorted(told)),
        collector.whole or "Finding" in ends or ("User" in ends and collector.by_name),
        frozenset(collector.single),
        frozenset(collector.lines),
        frozenset(collector.ordering) if by_name else frozenset(),
    )


class _Collector(Visitor):
    """Gathers personal fields, single roots and the names of fragments."""

    def __init__(self, schema: GraphQLSchema) -> None:
        super().__init__()
        self._schema, self._info = schema, TypeInfo(schema)
        self.personal: set[str] = set()
        self.single: set[str] = set()
        self.lines: set[str] = set()
        self.whole = False
        self.spreads: set[str] = set()
        self.cursors: set[str] = set()
        """Of what `_SORTED` names, the lists whose rows' cursors are selected."""
        self.by_name = False
        self.ordering: set[str] = set()
        """Variables in arguments that sort."""
        self._pages: set[str] = set()
        self._has_ends = self._in_order = False

    @property
    def ends(self) -> set[str]:
        """The same, where the page's own cursors may be: a fragment does not tell of which list."""
        return self._pages if self._has_ends else set()

    def look(self, node: OperationDefinitionNode | FragmentDefinitionNode) -> None:
        """Look at an operation or a fragment."""
        self._info = TypeInfo(self._schema)
        visit(node, TypeInfoVisitor(self._info, self))

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Note what a field may bring."""
        parent = self._info.get_parent_type()
        kind, name = getattr(parent, "name", ""), node.name.value
        if name == "delimited":
            self.lines.add((node.alias or node.name).value)
        if kind in _OWN and name in _PERSONAL:
            self.personal.add(name)
        elif (kind, name) in _WHOLE:
            self.personal.update(_PERSONAL)
            self.whole |= name == "delimited"
        elif parent is self._schema.query_type and self._is_single():
            self.single.add((node.alias or node.name).value)
        if kind == "PageInfo":
            self._has_ends |= name in _ENDS
        elif kind in _SORTED and name in {"cursor", "pageInfo"}:
            (self.cursors if name == "cursor" else self._pages).add(_SORTED[kind])

    def enter_argument(self, node: ArgumentNode, *_: object) -> None:
        """Note where an order begins."""
        self._in_order = node.name.value == "orderBy"

    def leave_argument(self, *_: object) -> None:
        """Note where it ends."""
        self._in_order = False

    def enter_enum_value(self, node: EnumValueNode, *_: object) -> None:
        """Note an order by name; it may be a variable's default."""
        self.by_name |= node.value == BY_NAME

    def enter_variable(self, node: VariableNode, *_: object) -> None:
        """Note a variable that may be one."""
        if self._in_order:
            self.ordering.add(node.name.value)

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: object) -> None:
        """Note a fragment."""
        self.spreads.add(node.name.value)

    def _is_single(self) -> bool:
        """Say whether a root is one object: a vendor or a node, no list and no connection."""
        kind: Any = self._info.get_type()
        kind = None if kind is None else get_nullable_type(kind)
        if kind is None or is_list_type(kind) or not hasattr(kind, "fields"):
            return False
        return not (isinstance(kind, GraphQLObjectType) and kind.name.endswith("Connection"))
