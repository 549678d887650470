"""The scope: which vendors x which products x which rights. Minted here and nowhere else.

Everything below the edge takes a scope, never a bare vendor number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NoReturn, Self
from weakref import WeakKeyDictionary

from sqlalchemy import ARRAY, ColumnElement, FromClause, Integer, and_, any_, bindparam

from gateway.errors import NotFound, ScopeViolation
from gateway.tenancy.principal import Principal, Right

AXES: Final = ("vendor_id", "product_id")
"""The columns by which rows belong to a vendor and, through the product, to a licensor."""


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
        found = _REACHES.get(self)
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
    def rights(self) -> frozenset[Right]:
        """The rights of the principal's role."""
        return self.principal.role.rights

    def require(self, right: Right) -> None:
        """Raise NotFound unless the role has the right: what one may not do, is not there."""
        if right not in self.rights:
            raise NotFound.of("right", "权限", right.value)

    def ids(self, axis: str) -> list[int]:
        """Return the numbers on one axis, sorted."""
        return sorted(self.vendors if axis == "vendor_id" else self.products)

    def covers(self, rows: FromClause) -> ColumnElement[bool]:
        """Return the predicate that keeps a vendor-owned table's rows within the scope."""
        return and_(*(_within(rows.c[axis], self.ids(axis)) for axis in AXES if axis in rows.c))

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
        return _made(
            self.principal,
            _pick(self.vendors, vendors, "vendor", "信息商", f"{argument}vendors"),
            _pick(self.products, products, "product", "信息产品", f"{argument}products"),
        )

    def vendor_number(self, code: str) -> int:
        """Return a vendor's number, or raise NotFound for one outside the scope."""
        (number,) = self.narrow(vendors=[code]).vendors
        return number


@dataclass(frozen=True, slots=True)
class _Reach:
    principal: Principal
    vendors: Mapping[int, str]
    products: Mapping[int, str]


_REACHES: Final[WeakKeyDictionary[Scope, _Reach]] = WeakKeyDictionary()


def mint(principal: Principal, vendors: Mapping[int, str], products: Mapping[int, str]) -> Scope:
    """Make a scope. Called by `tenancy.authenticate` only; a test holds that."""
    return _made(principal, vendors, products)


def _made(principal: Principal, vendors: Mapping[int, str], products: Mapping[int, str]) -> Scope:
    scope = object.__new__(Scope)
    _REACHES[scope] = _Reach(
        principal, MappingProxyType(dict(vendors)), MappingProxyType(dict(products))
    )
    return scope


def genuine(scope: Scope) -> Scope:
    """Return the scope, or raise ScopeViolation for anything else that has its methods."""
    if type(scope) is not Scope or scope not in _REACHES:
        raise ScopeViolation("not a scope")
    return scope


def _within(column: ColumnElement[int], ids: list[int]) -> ColumnElement[bool]:
    if len(ids) == 1:
        return column == ids[0]
    return column == any_(bindparam(None, ids, ARRAY(Integer), unique=True))


def _pick(
    held: Mapping[int, str], wanted: Sequence[str] | None, kind: str, kind_zh: str, argument: str
) -> Mapping[int, str]:
    if wanted is None:
        return held
    numbers = {name: number for number, name in held.items()}
    for name in wanted:
        if name not in numbers:
            raise NotFound.of(kind, kind_zh, name, argument=argument)
    return {numbers[name]: name for name in wanted}
