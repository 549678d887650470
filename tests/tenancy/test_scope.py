"""The scope: made in one place, never wider than it was made."""

import ast
import copy
import pickle
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Integer, MetaData, Table, literal, select
from sqlalchemy.dialects import postgresql

import gateway
from gateway.app.house import House
from gateway.errors import NotFound, ScopeViolation
from gateway.records.models import ServiceRecord
from gateway.tenancy.guard import check
from gateway.tenancy.principal import Principal, Right, Role
from gateway.tenancy.scope import Scope, mint
from gateway.tenancy.session import open_session

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
        and {getattr(node, name, None) for name in ("id", "attr", "name")}
        & {"mint", "_made", "_REACHES", "_Reach"}
    }
    assert minting == {"tenancy/scope.py", "tenancy/authenticate.py"}


def test_a_scope_is_not_assignable(scope: Scope) -> None:
    for name in ("vendors", "products", "principal", "_reach", "other"):
        with pytest.raises(AttributeError):
            setattr(scope, name, {9: "X"})
        with pytest.raises(AttributeError):
            object.__setattr__(scope, name, {9: "X"})
        with pytest.raises(AttributeError):
            delattr(scope, name)
    for held in (scope.vendors, scope.products):
        with pytest.raises(TypeError):
            held[9] = "X"  # type: ignore[index]
    assert scope.ids("vendor_id") == [1, 2, 3]


@pytest.mark.parametrize(
    "widen",
    [
        lambda scope: replace(scope, vendors={9: "X"}),
        lambda scope: scope.__replace__(vendors={9: "X"}),
        lambda scope: scope.narrow(vendors=["X"]),
        lambda scope: scope.narrow(vendors={9: "X"}.values()),
        lambda scope: type(scope)(scope.principal, {9: "X"}, {}),
        lambda scope: type(scope)(),
        copy.copy,
        copy.deepcopy,
        pickle.dumps,
        lambda scope: scope.__reduce__(),
        lambda _: type("Wide", (Scope,), {"ids": lambda *_: [9]}),
    ],
)
def test_there_is_no_way_to_a_wider_scope(scope: Scope, widen: Callable[[Any], Any]) -> None:
    with pytest.raises((TypeError, AttributeError, NotFound, ScopeViolation)):
        widen(scope)
    assert scope.ids("vendor_id") == [1, 2, 3]


class Lookalike:
    """Has a scope's methods."""

    principal, vendors, products = PRINCIPAL, MappingProxyType({9: "X"}), MappingProxyType({})

    def ids(self, _: str) -> list[int]:
        return [9]


async def test_only_a_made_scope_opens_anything(house: House) -> None:
    empty = object.__new__(Scope)
    with pytest.raises(ScopeViolation):
        empty.ids("vendor_id")
    for forged in (empty, Lookalike()):
        with pytest.raises(ScopeViolation):
            check(select(literal(1)), forged)  # type: ignore[arg-type]
        with pytest.raises(ScopeViolation):
            async with open_session(house.service, forged):  # type: ignore[arg-type]
                pass


async def test_a_session_keeps_to_the_scope_it_was_opened_for(house: House, scope: Scope) -> None:
    async with open_session(house.service, scope, write=True) as session:
        with pytest.raises(AttributeError):
            session.scope = mint(PRINCIPAL, {9: "X"}, {})  # type: ignore[misc]
        for settings in (
            {"gateway.vendors": "{9}"},
            {"role": "gateway_operator"},
            {"search_path": "x"},
            {"row_security": "off"},
            {"work_mem": "1MB'; SELECT 1; --"},
        ):
            with pytest.raises(ScopeViolation):
                await session.tune(**settings)
        for table in (
            ServiceRecord.table(),
            Table("service_records", MetaData(), Column("x", Integer), prefixes=["TEMPORARY"]),
            Table("mine", MetaData(), Column("x", Integer)),
        ):
            with pytest.raises(ScopeViolation):
                await session.create(table)
            with pytest.raises(ScopeViolation):
                await session.copy_in(table, ["x"], _nothing())


async def _nothing() -> AsyncIterator[bytes]:
    yield b""


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
    seen = {Right.READ_USERS, Right.READ_STATISTICS}
    assert portal.rights == seen | {Right.READ_PERSONAL, Right.ISSUE_TOKENS}
    token = mint(Principal("test", Role.VENDOR_PORTAL, is_token=True), {}, {})
    assert token.rights == seen
    telling = Principal("test", Role.VENDOR_PORTAL, is_token=True, purpose="why")
    assert mint(telling, {}, {}).rights == seen | {Right.READ_PERSONAL}
    importing = {role for role in Role if Right.IMPORT in role.rights}
    assert importing == {
        Role.VENDOR_ADMINISTRATOR,
        Role.VENDOR_OPERATOR,
        Role.PLATFORM_OPERATOR,
    }


@pytest.mark.parametrize("wanted", [["A", "C"], ["C", "A"], ["C", "A", "C"]])
def test_a_part_is_the_same_in_whatever_order_it_is_picked(scope: Scope, wanted: list[str]) -> None:
    """It is kept for the next who picks it, in another order perhaps."""
    assert list(scope.narrow(vendors=wanted).vendors.items()) == [(3, "C"), (1, "A")]
    assert list(scope.narrow(products=["P", "Q"]).products.values()) == ["Q", "P"]
