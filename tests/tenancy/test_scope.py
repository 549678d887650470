"""The scope: made in one place, never wider than it was made."""

import ast
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import postgresql

import gateway
from gateway.errors import NotFound, ScopeViolation
from gateway.records.models import ServiceRecord
from gateway.tenancy.principal import Principal, Right, Role
from gateway.tenancy.scope import Scope, mint

PRINCIPAL = Principal("test", Role.VENDOR_OPERATOR)
VENDORS, PRODUCTS = {3: "C", 1: "A", 2: "B"}, {20: "Q", 10: "P"}


@pytest.fixture
def scope() -> Scope:
    return mint(PRINCIPAL, VENDORS, PRODUCTS)


def test_a_scope_is_made_by_mint_only() -> None:
    with pytest.raises(ScopeViolation):
        Scope(PRINCIPAL, VENDORS, PRODUCTS)


def test_only_authenticate_mints() -> None:
    source = Path(gateway.__file__).parent
    minting = {
        str(path.relative_to(source))
        for path in source.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Name | ast.Attribute | ast.alias)
        and {getattr(node, name, None) for name in ("id", "attr", "name")} & {"mint", "_MINT"}
    }
    assert minting == {"tenancy/scope.py", "tenancy/authenticate.py"}


def test_a_scope_is_not_assignable(scope: Scope) -> None:
    with pytest.raises(FrozenInstanceError):
        scope.vendors = {9: "X"}  # type: ignore[misc]


def test_what_it_was_made_of_is_not_shared() -> None:
    given_vendors = {1: "A"}
    made = mint(PRINCIPAL, given_vendors, {})
    given_vendors[2] = "B"
    assert made.ids("vendor_id") == [1]


_NAMES = st.lists(st.sampled_from(["A", "B", "C", "X", "a", "", "A "]), max_size=4)


@given(vendors=st.none() | _NAMES, products=st.none() | st.lists(st.sampled_from(["P", "Q", "R"])))
def test_narrowing_picks_exactly_what_is_named_or_refuses(
    vendors: list[str] | None, products: list[str] | None
) -> None:
    made = mint(PRINCIPAL, VENDORS, PRODUCTS)
    foreign = (set(vendors or ()) - {"A", "B", "C"}) | (set(products or ()) - {"P", "Q"})
    if foreign:
        with pytest.raises(NotFound):
            made.narrow(vendors=vendors, products=products)
        return
    narrowed = made.narrow(vendors=vendors, products=products)
    assert set(narrowed.vendors.values()) == set("ABC" if vendors is None else vendors)
    assert set(narrowed.products.values()) == set("PQ" if products is None else products)
    assert narrowed.vendors.items() <= VENDORS.items()
    assert narrowed.products.items() <= PRODUCTS.items()
    assert narrowed.principal is made.principal


def test_the_predicate_names_each_axis(scope: Scope) -> None:
    rows = ServiceRecord.table()
    condition = scope.narrow(vendors=["B"]).covers(rows)
    text = condition.compile(
        dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}
    ).string
    assert text == (
        "service_records.vendor_id = 2 AND service_records.product_id = ANY (ARRAY[10, 20])"
    )


def test_rights_are_the_roles() -> None:
    portal = mint(Principal("test", Role.VENDOR_PORTAL), {}, {})
    assert portal.rights == {Right.READ_USERS, Right.READ_STATISTICS}
    importing = {role for role in Role if Right.IMPORT in role.rights}
    assert importing == {
        Role.VENDOR_ADMINISTRATOR,
        Role.VENDOR_OPERATOR,
        Role.PLATFORM_OPERATOR,
    }
