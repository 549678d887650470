"""The scope: which vendors x which products x which rights. Minted here and nowhere else.

Everything below the edge takes a scope, never a bare vendor number.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Final, NoReturn, Self
from weakref import ref

from sqlalchemy import Alias, ColumnElement, FromClause, Table, and_, any_

from gateway.db.base import SCOPED
from gateway.errors import NotFound, ScopeViolation
from gateway.kinds import INTEGER, INTEGERS
from gateway.recording import Given, Known, decide, derive, param, present
from gateway.tenancy.principal import Principal, Right

AXES: Final = ("vendor_id", "product_id", "licensor_id", "holder")
"""The columns by which rows belong to a vendor and, by the product or directly, to a licensor.

The audit log's belong to one tenant alone, of either side: their holder.
"""
NO_LICENSOR: Final = 0
"""The licensor number of a vendor's rows that concern no single licensor: none of them reads it."""

Owner = tuple[int, str]
"""A product's licensor: its number and its code."""


def axes_of(rows: FromClause) -> list[str]:
    """Return the axes by which rows belong to someone."""
    table = rows.element if type(rows) is Alias else rows
    scoped = table.info.get(SCOPED) if type(table) is Table else None
    return [axis for axis in (scoped if isinstance(scoped, tuple) else AXES) if axis in rows.c]


class Scope:
    """What a principal can reach: vendors and products, number -> code or name.

    `mint` makes one, `narrow` a smaller one of it. There is no other way: a scope can't be copied,
    pickled or derived from, and holds nothing that could be set; what it reaches is kept in this
    module. Code that takes this module's private names, or patches it, could still widen one:
    within one process Python has no wall against that.
    """

    __slots__ = ("__weakref__",)

    def __new__(cls, *_: object, **__: object) -> Self:
        """Refuse."""
        raise ScopeViolation("a scope is made by tenancy.scope.mint only")

    def __init_subclass__(cls) -> None:
        """Refuse."""
        raise ScopeViolation("a scope is not derived from")

    def __reduce_ex__(self, _: object) -> NoReturn:
        """Refuse to be copied or pickled."""
        raise ScopeViolation("a scope is not copied")

    def __repr__(self) -> str:
        return f"Scope({self.principal}, vendors={self.vendors}, products={self.products})"

    @property
    def _reach(self) -> "_Reach":
        found = _REACHES.get(id(self))
        if found is None:
            raise ScopeViolation("a scope is made by tenancy.scope.mint only")
        return found

    @property
    def principal(self) -> Principal:
        """Who asks."""
        return self._reach.principal

    @property
    def vendors(self) -> Mapping[int, str]:
        """The vendors, number -> code; read-only."""
        return self._reach.vendors

    @property
    def products(self) -> Mapping[int, str]:
        """The products, number -> name; read-only."""
        return self._reach.products

    @property
    def owners(self) -> Mapping[int, Owner]:
        """The licensors of the products, by the products' numbers."""
        held = self._reach.owners
        return {number: held[number] for number in self.products if number in held}

    @property
    def licensors(self) -> Mapping[int, str]:
        """The licensors whose products they are, number -> code."""
        return dict(sorted(self.owners.values()))

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the principal."""
        return self.principal.rights

    @property
    def reveals(self) -> bool:
        """Whether personal data is in clear: the role may see it, and for a stated purpose."""
        return self._reach.reveals

    @property
    def own(self) -> "Scope":
        """The scope as a value for `read`."""
        return self

    def require(self, right: Right) -> None:
        """Raise NotFound unless the role has the right: what one may not do, is not there."""
        _require(self.rights, right)

    def ids(self, axis: str) -> list[int]:
        """Return the numbers on one axis, sorted.

        A licensor reaches what is its own; all others what is the licensors' of the products, and
        what is no licensor's.
        """
        if axis == "holder":
            return [self.principal.holder]
        if axis == "licensor_id":
            if (code := self.principal.licensor) is not None:
                return sorted(
                    {number for number, own in self._reach.owners.values() if own == code}
                )
            return [NO_LICENSOR, *self.licensors]
        return sorted(self.vendors if axis == "vendor_id" else self.products)

    def covers(self, rows: FromClause) -> ColumnElement[bool]:
        """Return the predicate that keeps a vendor-owned table's rows within the scope."""
        return _covered(rows, self.ids)

    def narrow(
        self,
        *,
        vendors: Sequence[str] | None = None,
        products: Sequence[str] | None = None,
        argument: str = "",
    ) -> "Scope":
        """Return the part of the scope that the codes and names pick; NotFound for any other.

        `argument` goes before the argument's name in the error, as in `filter.products`.
        """
        if vendors is None and products is None:
            return self
        reach = self._reach
        picked = tuple(
            None if names is None else tuple(sorted(set(names))) for names in (vendors, products)
        )
        part = reach.parts.get(picked)
        if part is None:
            part = _put(
                replace(
                    reach,
                    vendors=_pick(reach.vendors, vendors, "vendor", "信息商", f"{argument}vendors"),
                    products=_pick(
                        reach.products, products, "product", "信息产品", f"{argument}products"
                    ),
                    parts={},
                )
            )
            if len(reach.parts) >= _MOST_PARTS:
                reach.parts.clear()
            if sum(len(names or ()) for names in picked) <= _MOST_NAMES:
                reach.parts[picked] = part
        return part

    def stating(self, purpose: str | None) -> "Scope":
        """Return the scope for a request that says for what it sees personal data, if it does."""
        if purpose is None:
            return self
        return _put(_stated(replace(self._reach, parts={}, stated=True)))

    def licensed(self, licensor: str) -> "Scope":
        """Return the part of one licensor's products; NotFound where there are none of it."""
        names = [
            self.products[number] for number, (_, code) in self.owners.items() if code == licensor
        ]
        if not names:
            raise NotFound.of("licensor", "信息公司", licensor, argument="licensor")
        return self.narrow(products=names)

    @property
    def only_code(self) -> str | None:
        """The code of the only vendor; None where there are others or none."""
        return next(iter(self.vendors.values())) if len(self.vendors) == 1 else None

    def reaches(self, **picked: Sequence[str]) -> bool:
        """Say whether `narrow` would find all that it is to pick."""
        return _reaches(self, picked)

    def read(self, function: Callable[..., Any], *values: Any) -> Any:
        """Return what a function makes of the scope, and of other values."""
        return function(self, *values)

    def only(self, vendor: str) -> "Scope":
        """Return the part of one vendor; NotFound, of the argument `vendor`, for any other."""
        return _only_vendor(self, vendor)

    def vendor_number(self, code: str) -> int:
        """Return a vendor's number, or raise NotFound for one outside the scope."""
        (number,) = self.narrow(vendors=[code]).vendors
        return number


class GivenScope:
    """A scope that is not known yet (see `gateway.recording`), for builders of statements."""

    __slots__ = ("_given", "_ids", "_products")

    def __init__(self, given: Given[Scope]) -> None:
        """Wrap a given scope."""
        self._given = given
        self._ids: dict[str, Given[list[int]]] = {}
        self._products: Mapping[int, str] | None = None

    @property
    def products(self) -> Mapping[int, str]:
        """The products, number -> name: part of what the statement is built by."""
        if self._products is None:
            self._products = MappingProxyType(dict(decide(_products, self._given)))
        return self._products

    @property
    def rights(self) -> frozenset[Right]:
        """The rights of the principal's role: part of what the statement is built by."""
        return decide(_rights, self._given)

    @property
    def reveals(self) -> bool:
        """Whether personal data is in clear: part of what the statement is built by."""
        return decide(_reveals, self._given)

    @property
    def own(self) -> Given[Scope]:
        """The scope as a value for `read`."""
        return self._given

    @property
    def principal(self) -> Given[Principal]:
        """Who asks."""
        return derive(_principal, self._given)  # type: ignore[no-any-return]

    def require(self, right: Right) -> None:
        """Raise NotFound unless the role has the right: what one may not do, is not there."""
        _require(self.rights, right)

    def ids(self, axis: str) -> Given[list[int]]:
        """Return the numbers on one axis, sorted."""
        if axis not in self._ids:
            self._ids[axis] = derive(lambda scope: scope.ids(axis), self._given)
        return self._ids[axis]

    def covers(self, rows: FromClause) -> ColumnElement[bool]:
        """Return the predicate that keeps a vendor-owned table's rows within the scope."""
        return _covered(rows, self.ids)

    def narrow(
        self,
        *,
        vendors: Known[Sequence[str] | None] = None,
        products: Known[Sequence[str] | None] = None,
        argument: str = "",
    ) -> "GivenScope":
        """Return the part of the scope that the codes and names pick; NotFound for any other."""
        return GivenScope(
            derive(
                lambda scope, *picked: scope.narrow(
                    vendors=picked[0], products=picked[1], argument=argument
                ),
                self._given,
                vendors,
                products,
            )
        )

    def only(self, vendor: Known[str]) -> "GivenScope":
        """Return the part of one vendor; NotFound, of the argument `vendor`, for any other."""
        return GivenScope(derive(_only_vendor, self._given, vendor))

    @property
    def only_code(self) -> Given[str] | None:
        """The code of the only vendor; None where there are others or none."""
        found: Given[str] | None = present(derive(_only_code, self._given))
        return found

    def reaches(self, **picked: Known[Sequence[str]]) -> bool:
        """Say whether `narrow` would find all that it is to pick."""
        axes = tuple(picked)
        return decide(
            lambda scope, *values: _reaches(scope, dict(zip(axes, values, strict=True))),
            self._given,
            *picked.values(),
        )

    def read(self, function: Callable[..., Any], *values: Any) -> Any:
        """Return what a function makes of the scope, and of other values."""
        return derive(function, self._given, *values)


AnyScope = Scope | GivenScope


def _products(scope: Scope) -> tuple[tuple[int, str], ...]:
    return tuple(scope.products.items())


def _rights(scope: Scope) -> frozenset[Right]:
    return scope.rights


def _reveals(scope: Scope) -> bool:
    return scope.reveals


def _principal(scope: Scope) -> Principal:
    return scope.principal


@dataclass(frozen=True, slots=True)
class _Reach:
    principal: Principal
    vendors: Mapping[int, str]
    products: Mapping[int, str]
    owners: Mapping[int, Owner]
    stated: bool
    """Whether the request says for what purpose it sees personal data."""
    reveals: bool = False
    parts: dict[tuple[tuple[str, ...] | None, ...], Scope] = field(default_factory=dict)
    """Parts that were asked for lately, by the names of their vendors and products."""


_MOST_PARTS: Final = 64
_MOST_NAMES: Final = 8
_REACHES: Final[dict[int, _Reach]] = {}
"""By the scope's identity, as long as it lives: a WeakKeyDictionary, asked so often, takes long."""
_ENDINGS: Final[dict[int, ref[Scope]]] = {}


def mint(
    principal: Principal,
    vendors: Mapping[int, str],
    products: Mapping[int, str],
    owners: Mapping[int, Owner] = MappingProxyType({}),
) -> Scope:
    """Make a scope. Called by `tenancy.authenticate` only; a test holds that.

    `owners` are the products' licensors, by the products' numbers.
    """
    return _made(principal, vendors, products, owners, stated=principal.purpose is not None)


def _made(
    principal: Principal,
    vendors: Mapping[int, str],
    products: Mapping[int, str],
    owners: Mapping[int, Owner],
    *,
    stated: bool,
) -> Scope:
    return _put(
        _stated(
            _Reach(
                principal,
                MappingProxyType(dict(vendors)),
                MappingProxyType(dict(products)),
                MappingProxyType(dict(owners)),
                stated,
            )
        )
    )


def _stated(reach: _Reach) -> _Reach:
    """Return a reach that knows whether personal data is in clear."""
    reveals = reach.stated and Right.READ_PERSONAL in reach.principal.rights
    return replace(reach, reveals=reveals)


def _put(reach: _Reach) -> Scope:
    scope = object.__new__(Scope)
    number = id(scope)
    _REACHES[number] = reach
    _ENDINGS[number] = ref(scope, partial(_forget, number))
    return scope


def _forget(
    number: int,
    _: object,
    reaches: dict[int, _Reach] = _REACHES,
    endings: dict[int, ref[Scope]] = _ENDINGS,
) -> None:
    """Forget a scope that is no more, before another object can have its identity.

    The names of the module may be gone by then, when the program ends.
    """
    del reaches[number], endings[number]


def genuine(scope: Scope) -> Scope:
    """Return the scope, or raise ScopeViolation for anything else that has its methods."""
    if type(scope) is not Scope or id(scope) not in _REACHES:
        raise ScopeViolation("not a scope")
    return scope


def _only_vendor(scope: Scope, vendor: str) -> Scope:
    try:
        return scope.narrow(vendors=[vendor])
    except NotFound as error:
        error.argument = "vendor"
        raise


def _only_code(scope: Scope) -> str | None:
    return scope.only_code


def _reaches(scope: Scope, picked: Mapping[str, Any]) -> bool:
    try:
        scope.narrow(**picked)
    except NotFound:
        return False
    return True


def _require(rights: frozenset[Right], right: Right) -> None:
    if right not in rights:
        raise NotFound.of("right", "权限", right.value)


def _covered(rows: FromClause, ids: Callable[[str], Known[list[int]]]) -> ColumnElement[bool]:
    return and_(*(_within(rows.c[axis], ids(axis)) for axis in axes_of(rows)))


def _within(column: ColumnElement[int], ids: Known[list[int]]) -> ColumnElement[bool]:
    if decide(_is_single, ids):
        return column == param(derive(_only, ids), INTEGER)
    return column == any_(param(ids, INTEGERS))


def _is_single(ids: Sequence[int]) -> bool:
    return len(ids) == 1


def _only(ids: Sequence[int]) -> int:
    (number,) = ids
    return number


def _pick(
    held: Mapping[int, str], wanted: Sequence[str] | None, kind: str, kind_zh: str, argument: str
) -> Mapping[int, str]:
    """Return what is picked, in the order in which it is held: a part is kept for all orders."""
    if wanted is None:
        return held
    names = set(held.values())
    for name in wanted:
        if name not in names:
            raise NotFound.of(kind, kind_zh, name, argument=argument)
    chosen = set(wanted)
    return MappingProxyType({number: name for number, name in held.items() if name in chosen})
