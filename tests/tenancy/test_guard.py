"""The second wall: what the guard refuses, what it passes, and that it passes nothing that leaks.

Where a statement is run, it is run by a superuser, for whom there is no row-level security: what
the guard alone lets through then shows.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    DDL,
    Column,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    all_,
    and_,
    bindparam,
    cast,
    column,
    delete,
    exists,
    func,
    insert,
    lateral,
    literal,
    literal_column,
    not_,
    or_,
    select,
    text,
    true,
    tuple_,
    union,
    union_all,
    update,
    values,
)
from sqlalchemy import table as light_table
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from worlds import ALPHA, BASIC, BETA, BETWEEN, ENHANCED, World, sign

from gateway.audit.models import AuditEvent
from gateway.catalogue.models import Product, Vendor, VendorProduct
from gateway.config.clock import today
from gateway.db.engine import make_engine
from gateway.errors import ScopeViolation
from gateway.exports.columns import monthly_lines, user_lines
from gateway.records.catalogue_lists import product_page, vendor_page
from gateway.records.filters import UserFilter
from gateway.records.keyset import Page
from gateway.records.models import ServiceRecord, ServiceRecordVersion
from gateway.records.movements import Movement
from gateway.records.users import Fields, UserList, page
from gateway.regulation.codes import FeeCategory
from gateway.regulation.months import Month
from gateway.resolvers.fields import _COLUMNS
from gateway.statistics.figures import StatList, months_between
from gateway.statistics.models import MonthlyDelta
from gateway.statistics.stats import DrillDown, stat_page
from gateway.statistics.totals import TotalKey
from gateway.tenancy.guard import check
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.scope import Scope, mint
from gateway.tenancy.session import open_session

RECORDS, VERSIONS = ServiceRecord.table(), ServiceRecordVersion.table()
HELD, VENDORS, PRODUCTS = VendorProduct.table(), Vendor.table(), Product.table()
DELTAS, AUDIT = MonthlyDelta.table(), AuditEvent.table()
STAGING = Table(
    "staging",
    MetaData(),
    Column("user_id", Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
SCOPE = mint(Principal("test", Role.VENDOR_OPERATOR), {1: "A"}, {10: "P"})
FOREIGN = 2

here = SCOPE.covers(RECORDS)
user = RECORDS.c.user_id
unscoped = select(func.max(user)).scalar_subquery()
other = RECORDS.alias("other")
event = {"vendor_id": 1, "actor": "a", "action": "b", "detail": {}}
delta = dict.fromkeys(DELTAS.c.keys(), 0) | {"vendor_id": 1, "product_id": 10}
grown = select(literal(1).label("n")).cte("grown", recursive=True)
grown = grown.union_all(select(RECORDS.c.record_id))


def tied(*conditions: Any) -> Any:
    """Both axes of the records, tied to the scope but for what the conditions say."""
    return select(user).where(RECORDS.c.product_id == 10, *conditions)


REFUSED = {
    "no predicate": select(user),
    "one axis only": select(user).where(RECORDS.c.vendor_id == 1),
    "the other axis only": select(user).where(RECORDS.c.product_id == 10),
    "a foreign vendor": tied(RECORDS.c.vendor_id == FOREIGN),
    "a foreign product": select(user).where(RECORDS.c.vendor_id == 1, RECORDS.c.product_id == 20),
    "a foreign vendor among own": tied(
        RECORDS.c.vendor_id == func.any(bindparam(None, [1, FOREIGN], ARRAY(Integer)))
    ),
    "under OR": select(user).where(or_(here, user == "x")),
    "under NOT": select(user).where(not_(here)),
    "unequal": tied(RECORDS.c.vendor_id != FOREIGN),
    "greater": tied(RECORDS.c.vendor_id >= 1),
    "a text for a number": tied(RECORDS.c.vendor_id == literal("1")),
    "a vendor's number against a product's": tied(RECORDS.c.vendor_id == 10),
    "a product axis tied to a vendor axis": select(user).where(
        RECORDS.c.vendor_id == 1, RECORDS.c.product_id == RECORDS.c.vendor_id
    ),
    "optional side, tied in ON alone to an open table": select(user).select_from(
        HELD.outerjoin(RECORDS, RECORDS.c.vendor_id == HELD.c.vendor_id)
    ),
    "preserved side, tied in ON alone": select(user).select_from(
        RECORDS.outerjoin(HELD, here & SCOPE.covers(HELD))
    ),
    "full join, tied in ON": select(user).select_from(
        HELD.join(RECORDS, here & SCOPE.covers(HELD), full=True)
    ),
    "inner join, the other table open": select(user)
    .join_from(HELD, RECORDS, RECORDS.c.user_id != "")
    .where(SCOPE.covers(HELD)),
    "cartesian": select(user, other.c.user_id).where(here),
    "a cycle that reaches no anchor": select(user).where(
        RECORDS.c.vendor_id == other.c.vendor_id,
        other.c.vendor_id == RECORDS.c.vendor_id,
        RECORDS.c.product_id == other.c.product_id,
    ),
    "tied to itself": select(user).where(
        RECORDS.c.vendor_id == RECORDS.c.vendor_id, RECORDS.c.product_id == RECORDS.c.product_id
    ),
    "a foreign anchor through another table": select(user).where(
        RECORDS.c.vendor_id == other.c.vendor_id,
        RECORDS.c.product_id == other.c.product_id,
        other.c.vendor_id == FOREIGN,
        other.c.product_id == 10,
    ),
    "subquery": select(select(user).subquery().c.user_id),
    "CTE": select(select(user).cte("c").c.user_id),
    "CTE that is not read": select(literal(1)).add_cte(select(user).cte("c")),
    "CTE that deletes": select(literal(1)).add_cte(delete(RECORDS).returning(user).cte("c")),
    "recursive CTE": select(grown.c.n),
    "EXISTS": select(literal(1)).where(exists(user)),
    "EXISTS, correlated to an open table": select(user).where(
        exists().where(SCOPE.covers(HELD), HELD.c.vendor_id == RECORDS.c.vendor_id)
    ),
    "IN": select(literal(1)).where(literal("x").in_(select(user))),
    "row IN": select(literal(1)).where(
        tuple_(1, 2).in_(select(RECORDS.c.vendor_id, RECORDS.c.product_id))
    ),
    "union": union(select(user).where(here), select(user)),
    "except": select(user).where(here).except_(select(user)),
    "scalar subquery": select(unscoped),
    "scalar subquery in ORDER BY": select(literal(1)).order_by(unscoped),
    "scalar subquery in LIMIT": select(literal(1)).limit(
        select(func.count()).select_from(RECORDS).scalar_subquery()
    ),
    "scalar subquery in HAVING": select(literal(1)).having(unscoped == "x"),
    "scalar subquery in an aggregate": select(
        func.json_agg(aggregate_order_by(unscoped, unscoped))
    ),
    "scalar subquery in an aggregate's FILTER": select(func.sum(1).filter(unscoped == "x")),
    "scalar subquery in a window": select(func.sum(1).over(order_by=unscoped)),
    "scalar subquery in an array": select(pg.array([unscoped])),
    "lateral": select(lateral(select(user)).c.user_id),
    "whole row": select(func.row_to_json(RECORDS.table_valued())),
    "aliased": select(RECORDS.alias().alias().c.user_id),
    "mapped class": select(ServiceRecord),
    "mapped column": select(ServiceRecord.user_id),
    "text": text("SELECT user_id FROM service_records"),
    "text as a column": select(text("user_id")).where(here),
    "text as a condition": select(user).where(here, text("true OR true")),
    "text as a table": select(user).select_from(text("service_records")),
    "insert": insert(HELD).values(vendor_id=FOREIGN, product_id=10),
    "insert, product": insert(HELD).values(vendor_id=1, product_id=20),
    "insert without an axis": insert(HELD).values(product_id=10),
    "insert of nothing": insert(HELD),
    "insert, one row of many": insert(HELD).values(
        [{"vendor_id": 1, "product_id": 10}, {"vendor_id": FOREIGN, "product_id": 10}]
    ),
    "insert from select, foreign": insert(HELD).from_select(
        ["vendor_id", "product_id"], select(literal(FOREIGN), literal(10))
    ),
    "insert from select, open": insert(HELD).from_select(
        ["vendor_id", "product_id"], select(RECORDS.c.vendor_id, RECORDS.c.product_id)
    ),
    "insert from select, into a temporary table": insert(STAGING).from_select(
        ["user_id"], select(user)
    ),
    "insert, subquery in a value": insert(AUDIT).values(event | {"actor": unscoped}),
    "insert, subquery in ON CONFLICT": pg.insert(DELTAS)
    .values(delta)
    .on_conflict_do_update(index_elements=["vendor_id"], set_={"new": unscoped}),
    "insert, subquery in RETURNING": insert(AUDIT).values(event).returning(unscoped),
    "update": update(RECORDS).values(user_name="x"),
    "update, foreign": update(RECORDS)
    .values(user_name="x")
    .where(RECORDS.c.vendor_id == FOREIGN, RECORDS.c.product_id == 10),
    "update from": update(RECORDS)
    .values(user_name="x")
    .where(here, RECORDS.c.record_id == VERSIONS.c.record_id),
    "update, subquery in a value": update(RECORDS).values(user_name=unscoped).where(here),
    "delete": delete(RECORDS),
    "delete, under OR": delete(RECORDS).where(or_(here, user == "x")),
    "delete using": delete(RECORDS).where(here, RECORDS.c.record_id == VERSIONS.c.record_id),
    "delete in a temporary table, using": delete(STAGING).where(STAGING.c.user_id == user),
}


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_refused(statement: Any) -> None:
    with pytest.raises(ScopeViolation):
        check(statement, SCOPE)


PASSED = {
    "scoped": select(user).where(here),
    "no vendor-owned table": select(literal(1)),
    "alias": select(other.c.user_id).where(SCOPE.covers(other)),
    "tied through another table": select(user).where(
        SCOPE.covers(other),
        RECORDS.c.vendor_id == other.c.vendor_id,
        other.c.product_id == RECORDS.c.product_id,
    ),
    "tied through an inner join": select(user)
    .join_from(other, RECORDS, (RECORDS.c.vendor_id == other.c.vendor_id) & here)
    .where(SCOPE.covers(other)),
    "optional side, tied in ON": select(user)
    .select_from(HELD.outerjoin(RECORDS, here))
    .where(SCOPE.covers(HELD)),
    "union": union(select(user).where(here), select(other.c.user_id).where(SCOPE.covers(other))),
    "insert": insert(HELD).values(vendor_id=1, product_id=10),
    "update": update(RECORDS).values(user_name="x").where(here),
    "delete": delete(RECORDS).where(here),
}


@pytest.mark.parametrize("statement", PASSED.values(), ids=PASSED)
def test_passed(statement: Any) -> None:
    check(statement, SCOPE)


def test_an_empty_scope_passes_no_row() -> None:
    nothing = mint(Principal("test", Role.VENDOR_OPERATOR), {}, {})
    check(select(user).where(nothing.covers(RECORDS)), nothing)
    with pytest.raises(ScopeViolation):
        check(select(user).where(here), nothing)


# What the guard passes although it is not confined to the scope: each one a hole in this wall


def holes(scope: Scope, vendor: int, product: int) -> dict[str, Any]:
    """Statements that leave the scope, for a foreign vendor and product."""
    mine = {axis: scope.ids(axis)[0] for axis in ("vendor_id", "product_id")}
    records, held = scope.covers(RECORDS), scope.covers(HELD)
    labelled = select(literal(vendor).label("vendor_id"), literal(product).label("product_id"))
    labelled = labelled.subquery("labelled")
    series = func.unnest(literal([vendor], ARRAY(Integer))).table_valued("vendor_id", name="series")
    series = series.render_derived()
    constant = values(column("vendor_id", Integer), name="constant").data([(vendor,)])
    own = select(HELD.c.vendor_id, HELD.c.product_id).where(held).subquery("r")
    same_name = RECORDS.alias("r")
    event = {"vendor_id": mine["vendor_id"], "actor": "a", "action": "b", "detail": {}}
    delta = dict.fromkeys(DELTAS.c.keys(), 0) | mine | {"month": date(2030, 1, 1)}
    return {
        # `Join` puts a join on its right side into a FromGrouping, which `_flat` takes for a table
        "join on the right of a join": select(user)
        .select_from(HELD.join(RECORDS.join(PRODUCTS, true()), true()))
        .where(held, scope.covers(PRODUCTS)),
        "join on the right of an outer join": select(user)
        .select_from(HELD.outerjoin(RECORDS.join(PRODUCTS, true()), true()))
        .where(held, scope.covers(PRODUCTS)),
        "join in parentheses": select(user).select_from(RECORDS.join(HELD, true()).self_group()),
        # TableSample is a FromClauseAlias, not an Alias: `_owned` does not look through it
        "TABLESAMPLE": select(RECORDS.tablesample(100).c.user_id),
        # `_tied` trusts the name of a column: any expression can be labelled vendor_id
        "tied to a labelled constant": select(user).where(
            RECORDS.c.vendor_id == labelled.c.vendor_id,
            RECORDS.c.product_id == labelled.c.product_id,
        ),
        "tied to a function's column": select(VENDORS.c.name).where(
            VENDORS.c.vendor_id == series.c.vendor_id
        ),
        "tied to a VALUES list": select(VENDORS.c.name).where(
            VENDORS.c.vendor_id == constant.c.vendor_id
        ),
        # two FROM items of one name: in the inner query `r` is the records, and r.x = r.x holds
        "tied to a subquery of its own name": select(
            select(func.string_agg(same_name.c.user_id, ","))
            .where(
                same_name.c.vendor_id == own.c.vendor_id, same_name.c.product_id == own.c.product_id
            )
            .correlate(own)
            .scalar_subquery()
        ).select_from(own),
        # ANY and ALL are both CollectionAggregates, and `= ALL ('{}')` holds for every row
        "ALL of nothing": select(VENDORS.c.name).where(
            VENDORS.c.vendor_id == all_(bindparam(None, [], ARRAY(Integer)))
        ),
        # SQLAlchemy's traversal does not go into lists of rows
        "subquery in a VALUES list": select(
            values(column("x", Text), name="v").data([(unscoped,)]).c.x
        ),
        "subquery in a row of many": insert(AUDIT).values([event | {"actor": unscoped}, event]),
        # only the first select of a union is looked at for an insert's axes
        "insert from a union": insert(HELD).from_select(
            ["vendor_id", "product_id"],
            union_all(
                select(*map(literal, mine.values())), select(literal(vendor), literal(product))
            ),
        ),
        # the axes' new values are not looked at in changes
        "update moves rows to a foreign vendor": update(RECORDS)
        .where(records)
        .values(vendor_id=vendor),
        "update moves rows to a foreign product": update(RECORDS)
        .where(records)
        .values(product_id=product),
        "conflict moves a row to a foreign vendor": pg.insert(DELTAS)
        .values(delta)
        .on_conflict_do_update(
            index_elements=["vendor_id", "product_id", "month"], set_={"vendor_id": vendor}
        ),
        # UPDATE takes tables from SET too, not only from WHERE
        "update from, by SET": update(RECORDS)
        .where(records)
        .values(user_name=VERSIONS.c.user_name),
        "update of a temporary table from, by SET": update(STAGING).values(user_id=user),
        # raw SQL that is no TextClause, or that the traversal does not reach
        "raw column": select(literal_column(f"({_RAW})")),
        "raw column with a FROM of its own": select(literal_column("user_id FROM service_records")),
        "raw prefix": select(literal("x")).prefix_with(f"({_RAW}),"),
        "raw suffix": select(literal("x")).suffix_with(f"UNION {_RAW}"),
        "raw hint": select(literal("x")).with_statement_hint(f"UNION {_RAW}"),
        "raw operator": select(literal("x").op(f"|| ({_RAW}) ||")("y")),
        "raw statement": DDL(_RAW),
        # the guard knows tables by their object, PostgreSQL by their name
        "table by its name": select(light_table("service_records", column("user_id")).c.user_id),
    }


_RAW = "SELECT string_agg(user_id, ',') FROM service_records"
HOLES = holes(SCOPE, FOREIGN, 20)


@pytest.fixture
async def unwalled(market: World) -> AsyncIterator[AsyncEngine]:
    """A superuser's engine on the market: there is no row-level security for it."""
    engine = make_engine(market.admin, role=None)
    yield engine
    await engine.dispose()


async def _rows(engine: AsyncEngine, statement: Any) -> list[str]:
    async with engine.connect() as connection:
        return sorted(str(row) for row in await connection.execute(statement))


async def _walled(market: World, scope: Scope, statement: Any) -> list[str]:
    async with open_session(market.house.service, scope) as session:
        return sorted(str(row) for row in await session.rows(statement))


@pytest.mark.filterwarnings("ignore:.*cartesian product")
@pytest.mark.parametrize("name", HOLES)
async def test_row_level_security_stands_behind_the_hole(
    market: World, unwalled: AsyncEngine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("gateway.tenancy.session.check", lambda *_: None)
    scope, beta = await market.scope(ALPHA), await market.scope(BETA)
    (foreign,) = beta.vendors
    (product,) = beta.narrow(products=[BASIC]).products
    statement = holes(scope, foreign, product)[name]
    if isinstance(statement, Select):
        leaked, held = await _rows(unwalled, statement), await _walled(market, scope, statement)
        assert any(word in str(leaked) for word in ALPHA.canaries)
        assert not any(word in str(held) for word in ALPHA.canaries)
        return
    async with market.unchanged():
        with suppress(DBAPIError):
            async with open_session(market.house.service, scope, write=True) as session:
                await session.create(STAGING)
                told = await session.execute(statement)
                shown = str(told.all()) if told.returns_rows else ""
                assert not any(word in shown for word in ALPHA.canaries)
                now = str(await session.rows(select(RECORDS))) + str(
                    await session.rows(select(AUDIT))
                )
                assert not any(sign(*pair) in now for pair in BETA.pairs)
                session.discard()


# What the gateway itself builds

_SCALARS = frozenset(name for names in _COLUMNS.values() for name in names) | {"product_name"}
_SCALARS |= {"licensor_code", "licensor_name"}
_AGAIN = Fields(_SCALARS - {"vendor_code", "vendor_name"}, {}, ("history",))
EVERYTHING = Fields(_SCALARS, {"others": replace(_AGAIN, other_services={"again": _AGAIN})}, ("h",))


def _users(scope: Scope, **options: Any) -> Any:
    listed = UserList(scope, today(), **options)
    return select(page(listed, EVERYTHING, Page(first=100), total=True))


def _stats(scope: Scope, movement: Movement | None = None, **options: Any) -> Any:
    listed = StatList(scope, today(), MONTHS, **options)
    drill_down = DrillDown(EVERYTHING, Page(first=100), True, FeeCategory.TRIAL, movement)
    # with a total and asOf, a changed statement would have two different CTEs of one name
    total = "as_of" not in options
    return select(
        stat_page(listed, {"users": drill_down}, Page(first=100), total=total, distances=(1, 12))
    )


def _totals(scope: Scope, as_of: datetime | None = None) -> Any:
    listed = StatList(scope, today(), MONTHS, as_of=as_of)
    summed = {"by none": [], "by all": list(TotalKey)}
    return select(stat_page(listed, {}, Page(first=5), total=True, summed=summed, distances=(1,)))


THEN = datetime.fromisoformat(BETWEEN)
MONTHS = months_between(date(2024, 4, 1), Month(2024, 1), None, None)
COUNTED = UserFilter(counted_in=Month(2024, 2), counted_as=FeeCategory.TRIAL)
MOVED = UserFilter(new_in=Month(2024, 1), expired_in=Month(2024, 4))
BUILT: dict[str, Callable[[Scope], Any]] = {
    "users": _users,
    "users counted in": lambda scope: _users(scope, filter=COUNTED),
    "users as of": lambda scope: _users(scope, as_of=THEN),
    "users counted in, as of": lambda scope: _users(scope, filter=COUNTED, as_of=THEN),
    "users, others with their vendor": lambda scope: select(
        page(
            UserList(scope, today()),
            Fields(frozenset({"user_name"}), {"others": Fields(_SCALARS)}),
            Page(first=100),
            total=False,
        )
    ),
    "users new and ended in": lambda scope: _users(scope, filter=MOVED),
    "users new and ended in, as of": lambda scope: _users(scope, filter=MOVED, as_of=THEN),
    "stats": _stats,
    "stats, the new": lambda scope: _stats(scope, Movement.NEW),
    "stats, the cancelled, as of": lambda scope: _stats(scope, Movement.CANCELLED, as_of=THEN),
    "stats as of": lambda scope: _stats(scope, as_of=THEN),
    "totals": _totals,
    "totals as of": lambda scope: _totals(scope, THEN),
    "vendors": lambda scope: select(vendor_page(scope, "vend", Page(first=5), total=True)),
    "products": lambda scope: select(product_page(scope, None, Page(first=5), total=True)),
    "export of users": lambda scope: user_lines(UserList(scope, today(), COUNTED)),
    "export of users as of": lambda scope: user_lines(UserList(scope, today(), as_of=THEN)),
    "export of stats": lambda scope: monthly_lines(StatList(scope, today(), MONTHS)),
    "export of stats as of": lambda scope: monthly_lines(
        StatList(scope, today(), MONTHS, as_of=THEN)
    ),
}


@pytest.mark.parametrize("build", BUILT.values(), ids=BUILT)
async def test_each_forgotten_predicate_is_noticed_or_needless(
    market: World,
    unwalled: AsyncEngine,
    build: Callable[[Scope], Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of all the scope's predicates in a statement, one at a time is left out."""
    scope = await market.scope(BETA)
    covers, calls, forgotten = Scope.covers, 0, -1

    def forgetful(self: Scope, rows: Any) -> Any:
        nonlocal calls
        calls += 1
        return true() if calls - 1 == forgotten else covers(self, rows)

    monkeypatch.setattr(Scope, "covers", forgetful)
    right = await _rows(unwalled, build(scope))
    number, noticed = calls, 0
    for leave_out in range(number):
        calls, forgotten = 0, leave_out
        statement = build(scope)
        try:
            check(statement, scope)
        except ScopeViolation:
            noticed += 1
        else:
            assert await _rows(unwalled, statement) == right
    assert noticed


# Statements at random: what passes gives the same rows with row-level security and without

_TABLES = (RECORDS, VERSIONS, HELD, DELTAS)


def _random_select(dice: random.Random, scope: Scope, depth: int = 2) -> Any:
    """Joins, outer joins, subqueries, EXISTS and OR; most of them almost confined to the scope."""
    items = [_random_item(dice, scope, depth) for _ in range(dice.choice((1, 2, 2, 3)))]
    joined: Any = items[0]
    for i, item in enumerate(items[1:], 1):
        how: dict[str, bool] = dice.choice(({}, {}, {"isouter": True}, {"full": True}))
        axes = dice.sample(_AXES, dice.choice((1, 2)))
        on = [items[dice.randrange(i)].c[axis] == item.c[axis] for axis in axes]
        if "full" not in how:  # PostgreSQL full-joins on equalities only
            on += _random_conditions(dice, scope, items[: i + 1])[:2]
        joined = joined.join(item, and_(*on), **how)
    where = _random_conditions(dice, scope, items)
    if depth and dice.random() < 0.3:
        inner = _random_item(dice, scope, 0)
        where.append(
            exists().where(
                *_random_conditions(dice, scope, [inner]),
                inner.c.vendor_id == items[0].c.vendor_id,
                inner.c.product_id == items[0].c.product_id,
            )
        )
    seen = [item.c[axis].label(f"{axis}{i}") for i, item in enumerate(items) for axis in _AXES]
    axes_of_one = [dice.choice(items).c[axis] for axis in _AXES]
    return select(*axes_of_one, *seen).select_from(joined).where(*where)


_AXES = ("vendor_id", "product_id")
_aliases = iter(range(10**9))


def _random_item(dice: random.Random, scope: Scope, depth: int) -> Any:
    if depth and dice.random() < 0.3:
        inner = _random_select(dice, scope, depth - 1)
        return getattr(inner, dice.choice(("subquery", "cte")))(f"s{next(_aliases)}")
    return dice.choice(_TABLES).alias(f"t{next(_aliases)}")


def _random_conditions(dice: random.Random, scope: Scope, items: list[Any]) -> list[Any]:
    found = []
    for item in items:
        for axis in _AXES:
            kind = dice.random()
            if kind < 0.7:
                found.append(item.c[axis] == scope.ids(axis)[0])
            elif kind < 0.8:
                found.append(item.c[axis] == dice.choice(items).c[axis])
            elif kind < 0.9:
                found.append(or_(item.c[axis] == scope.ids(axis)[0], item.c[axis] > 0))
    return found


async def test_what_the_guard_passes_at_random_needs_no_other_wall(
    market: World, unwalled: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.tenancy.session.check", lambda *_: None)
    scope = (await market.scope(BETA)).narrow(products=[ENHANCED])
    outcomes = Counter[tuple[bool, bool]]()
    for seed in range(120):
        rows = _random_select(random.Random(seed), scope).subquery("q")
        digest = func.sum(func.hashtext(cast(func.row(*rows.c), Text)))
        statement = select(func.count(), digest).select_from(rows)
        try:
            check(statement, scope)
            passed = True
        except ScopeViolation:
            passed = False
        same = await _rows(unwalled, statement) == await _walled(market, scope, statement)
        assert same or not passed, f"seed {seed}: {statement}"
        outcomes[passed, same] += 1
    assert outcomes[True, True] > 20
    assert outcomes[False, False] > 20
