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
    LABEL_STYLE_TABLENAME_PLUS_COL,
    Column,
    ColumnElement,
    CreateTableAs,
    Function,
    Integer,
    MetaData,
    Numeric,
    Select,
    Sequence,
    String,
    Table,
    Text,
    UnaryExpression,
    all_,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    delete,
    exists,
    extract,
    func,
    insert,
    lambda_stmt,
    lateral,
    literal,
    literal_column,
    not_,
    null,
    or_,
    select,
    text,
    true,
    tuple_,
    type_coerce,
    union,
    union_all,
    update,
    values,
)
from sqlalchemy import table as light_table
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import aliased
from sqlalchemy.schema import DropTable
from sqlalchemy.sql.elements import SavepointClause, quoted_name
from sqlalchemy.sql.operators import custom_op
from worlds import ALPHA, BASIC, BETA, BETWEEN, ENHANCED, World, sign

from gateway.audit.models import AuditEvent
from gateway.catalogue.codes import Protocol, Purpose
from gateway.catalogue.models import Licensor, Product, Vendor, VendorProduct
from gateway.config.clock import today
from gateway.db.engine import make_engine
from gateway.errors import ScopeViolation
from gateway.exports.columns import cells, unwritable
from gateway.exports.requests import Rows
from gateway.records.catalogue_lists import product_page, vendor_page
from gateway.records.filters import UserFilter
from gateway.records.interface_specs import (
    SpecFilter,
    products_exchanges,
    products_interfaces,
    spec_page,
)
from gateway.records.keyset import Page, encode
from gateway.records.licences import LicenceFilter, licence_page, vendors_licences
from gateway.records.models import ImportBatch, ServiceRecord, ServiceRecordVersion
from gateway.records.movements import Movement
from gateway.records.users import Fields, UserList, page, whole
from gateway.regulation.codes import FeeCategory, UsageMode
from gateway.regulation.fields import Layout
from gateway.regulation.formats.obstacles import obstacles
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.months import Month
from gateway.resolvers.fields import _COLUMNS
from gateway.statistics.grid import StatList, months_between
from gateway.statistics.models import MonthlyDelta
from gateway.statistics.stats import DrillDown, stat_page, whole_stats
from gateway.statistics.totals import TotalKey
from gateway.tenancy.guard import check
from gateway.tenancy.models import ApiKey
from gateway.tenancy.principal import Principal, Role
from gateway.tenancy.scope import Scope, mint
from gateway.tenancy.session import open_session

RECORDS, VERSIONS = ServiceRecord.table(), ServiceRecordVersion.table()
HELD, VENDORS, PRODUCTS = VendorProduct.table(), Vendor.table(), Product.table()
DELTAS, AUDIT = MonthlyDelta.table(), AuditEvent.table()
IN_FORCE = LicenceFilter(valid_on=date(2024, 2, 1), usage_modes=[UsageMode.WEB])
PLACE = encode(["VENDOR ASC", "PRODUCT ASC", "VALID_FROM ASC"], ["A", "P", "2020-01-01"])
SPECS = SpecFilter("i", ["SSE"], ["IS101"], None, [Protocol.STEP], [Purpose.TRADING], current=False)
STAGING = Table(
    "staging",
    MetaData(),
    Column("user_id", Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)
SCOPE = mint(Principal("test", Role.VENDOR_OPERATOR), {1: "A"}, {10: "P"})
FOREIGN = 2
THEN = datetime.fromisoformat(BETWEEN)
_RAW = "SELECT string_agg(user_id, ',') FROM service_records"

here = SCOPE.covers(RECORDS)
user = RECORDS.c.user_id
unscoped = select(func.max(user)).scalar_subquery()
other = RECORDS.alias("other")
event = {"holder": 0, "number": 1, "actor": "a", "action": "b", "detail": {}}
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


# The licensor's axis: of a licensor, who has no part in what concerns no single one

LICENSED = mint(
    Principal("test", Role.LICENSOR_ANALYST, licensor="L"), {1: "A"}, {10: "P"}, {10: (7, "L")}
)
BATCHES = ImportBatch.table()
LICENSORS = Licensor.table()
entry = {"vendor_id": 1, "actor": "a", "action": "b", "detail": {}}


def test_a_licensors_own_batches_pass_and_so_do_licensors_names() -> None:
    for scope in (LICENSED, LICENSED.narrow(products=[])):
        assert scope.ids("licensor_id") == [7]
    assert SCOPE.ids("licensor_id") == [0]
    number = select(BATCHES.c.number)
    check(number.where(LICENSED.covers(BATCHES)), LICENSED)
    owner = select(LICENSORS.c.code).where(
        LICENSED.covers(PRODUCTS), LICENSORS.c.licensor_id == PRODUCTS.c.licensor_id
    )
    check(owner, LICENSED)


@pytest.mark.parametrize(
    "statement",
    {
        "no licensor": select(BATCHES.c.number).where(BATCHES.c.vendor_id == 1),
        "another one": select(BATCHES.c.number).where(
            BATCHES.c.vendor_id == 1, BATCHES.c.licensor_id == 8
        ),
        "what is no single one's": select(BATCHES.c.number).where(
            BATCHES.c.vendor_id == 1, BATCHES.c.licensor_id == 0
        ),
        "a name's": select(BATCHES.c.number).where(
            BATCHES.c.vendor_id == 1, BATCHES.c.licensor_id == LICENSORS.c.licensor_id
        ),
        "log without": insert(AUDIT).values(entry),
        "log of another": insert(AUDIT).values(entry | {"holder": -8}),
        "change of owner": update(AUDIT).values(holder=-7).where(LICENSED.covers(AUDIT)),
        "change of licensors": update(LICENSORS).values(name="x"),
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_another_licensors_does_not(statement: tuple[str, Any]) -> None:
    with pytest.raises(ScopeViolation):
        check(statement[1], LICENSED)


# Contrived statements that leave the scope: each of the two walls stops each of them


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
    event = {
        "holder": scope.principal.holder,
        "number": 1,
        "actor": "a",
        "action": "b",
        "detail": {},
    }
    delta = dict.fromkeys(DELTAS.c.keys(), 0) | mine | {"month": date(2030, 1, 1)}
    return {
        # `Join` puts a join on its right side into a FromGrouping
        "join on the right of a join": select(user)
        .select_from(HELD.join(RECORDS.join(PRODUCTS, true()), true()))
        .where(held, scope.covers(PRODUCTS)),
        "join on the right of an outer join": select(user)
        .select_from(HELD.outerjoin(RECORDS.join(PRODUCTS, true()), true()))
        .where(held, scope.covers(PRODUCTS)),
        "join in parentheses": select(user).select_from(RECORDS.join(HELD, true()).self_group()),
        # TableSample is a FromClauseAlias, not an Alias
        "TABLESAMPLE": select(RECORDS.tablesample(100).c.user_id),
        # any expression can be labelled vendor_id
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
        # the first select of a union is not the only one
        "insert from a union": insert(HELD).from_select(
            ["vendor_id", "product_id"],
            union_all(
                select(*map(literal, mine.values())), select(literal(vendor), literal(product))
            ),
        ),
        # a change can move a row out of the scope
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
        # SQLAlchemy knows tables by their object, PostgreSQL by their name
        "table by its name": select(light_table("service_records", column("user_id")).c.user_id),
    }


HOLES = holes(SCOPE, FOREIGN, 20)


class Evil(Text):
    """A type with SQL of its own."""

    def column_expression(self, _: Any) -> Any:
        return literal_column(f"({_RAW})")


class Shout(ColumnElement[str]):
    """An element with SQL of its own."""

    inherit_cache = True
    type = Text()


class Picked(Select[Any]):
    """A statement that is almost a Select."""

    inherit_cache = True


def unquoted(name: str) -> quoted_name:
    return quoted_name(name, quote=False)


_DROPPED: dict[str, Any] = {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DROP"}


def temporary(name: str, *columns: Any, **options: Any) -> Table:
    columns = columns or (Column("user_id", Text), Column("vendor_id", Integer))
    return Table(name, MetaData(), *columns, **(_DROPPED | options))


def labels(vendor: int = FOREIGN, product: int = 10) -> Any:
    return select(literal(vendor).label("vendor_id"), literal(product).label("product_id"))


def tied_to(rows: Any, records: Any = RECORDS) -> Any:
    """The records tied to another table on the vendor's axis, and to the scope on the other."""
    return select(records.c.user_id).where(
        records.c.product_id == 10, records.c.vendor_id == rows.c.vendor_id
    )


held_here = SCOPE.covers(HELD)
open_held = select(HELD.c.vendor_id, HELD.c.product_id)
held_rows = open_held.where(held_here)
key = bindparam("key", 1)
recursive = labels(1).cte("loop", recursive=True)
recursive = recursive.union_all(labels())
number = func.unnest(literal([FOREIGN], ARRAY(Integer)))
sub = held_rows.subquery("other")
shadowed = held_rows.subquery("service_records_1")
nameless = RECORDS.alias()
raw = literal("x")

CONTRIVED = {
    # grouped and nested joins
    "join of joins": select(user).select_from(
        HELD.join(PRODUCTS, true()).join(RECORDS.join(VERSIONS, true()).self_group(), true())
    ),
    "ON of an outer join confines its other side": select(user).select_from(
        RECORDS.outerjoin(HELD, here & held_here)
    ),
    "outer join in an outer join": select(user).select_from(
        HELD.outerjoin(RECORDS.outerjoin(VERSIONS, SCOPE.covers(VERSIONS) & here), true())
    ).where(held_here),
    "full join in a join": select(user).select_from(
        HELD.join(RECORDS.join(VERSIONS, here & SCOPE.covers(VERSIONS), full=True), held_here)
    ),
    "Select.join": select(HELD.c.vendor_id).join(RECORDS, true()).where(held_here),
    "subquery in ON": select(HELD.c.vendor_id)
    .join_from(HELD, PRODUCTS, exists().where(user != ""))
    .where(held_here, SCOPE.covers(PRODUCTS)),
    # comparisons that hold for more than they seem to
    "ALL of own": tied(RECORDS.c.vendor_id == all_(bindparam(None, [1], ARRAY(Integer), unique=True))),
    "ANY of a subquery": tied(RECORDS.c.vendor_id == any_(select(VENDORS.c.vendor_id).scalar_subquery())),
    "not distinct": tied(RECORDS.c.vendor_id.is_not_distinct_from(literal(1))),
    "between": tied(RECORDS.c.vendor_id.between(1, 9)),
    "cast": tied(cast(RECORDS.c.vendor_id, Text) == "1"),
    "coalesce": tied(func.coalesce(RECORDS.c.vendor_id, 1) == 1),
    "CASE": tied(case((RECORDS.c.vendor_id == 1, true()), else_=true())),
    "IS TRUE of OR": tied(or_(RECORDS.c.vendor_id == 1, true()).is_(true())),
    "double negation": tied(not_(or_(RECORDS.c.vendor_id == 1, user == "").self_group())),
    "HAVING": select(user).having(here).group_by(user),
    "an aggregate's FILTER": select(func.count().filter(here)).select_from(RECORDS),
    "a boolean": tied(RECORDS.c.vendor_id == literal(True, Integer)),
    "a scalar subquery": tied(RECORDS.c.vendor_id == select(literal(FOREIGN)).scalar_subquery()),
    # parameters that are not what they seem
    "params()": select(user).where(here, user == bindparam("key", "x", unique=True)).params(key="y"),
    "a callable": tied(RECORDS.c.vendor_id == bindparam("key", callable_=lambda: FOREIGN)),
    "no value": tied(RECORDS.c.vendor_id == bindparam("key", type_=Integer)),
    "two parameters of one name": tied(RECORDS.c.vendor_id == key, RECORDS.c.batch_no == bindparam("key", FOREIGN)),
    "a parameter by a name of its own": tied(RECORDS.c.vendor_id == key),
    "a rendered parameter": tied(RECORDS.c.vendor_id == bindparam(None, 1, unique=True, literal_execute=True)),
    "execution options": select(user).where(here).execution_options(schema_translate_map={None: "x"}),
    "a parameter's type": tied(RECORDS.c.vendor_id == bindparam(None, 1, Evil(), unique=True)),
    # columns that only have the name
    "labelled constant in a CTE": tied_to(labels().cte("c")),
    "labelled constant, aliased CTE": tied_to(labels().cte("c").alias("d")),
    "labelled constant, materialized": tied_to(labels().cte("c").prefix_with("MATERIALIZED")),
    "labelled constant, two deep": tied_to(select(labels().subquery("i")).subquery("o")),
    "labelled constant, second branch": tied_to(union_all(labels(1), labels()).subquery("u")),
    "labelled constant, limited branch": tied_to(
        union_all(labels(1).limit(1), labels().order_by(literal(1)).limit(1)).subquery("u")
    ),
    "labelled constant, EXCEPT": tied_to(labels().except_(labels(1)).subquery("u")),
    "labelled constant, nested union": tied_to(
        union_all(labels(1), union_all(labels(1), labels())).subquery("u")
    ),
    "labelled other column": tied_to(select(PRODUCTS.c.product_id.label("vendor_id")).where(SCOPE.covers(PRODUCTS)).subquery("p")),
    "labelled other axis": tied_to(select(HELD.c.product_id.label("vendor_id")).where(held_here).subquery("p")),
    "labelled expression": tied_to(select((HELD.c.vendor_id + 1).label("vendor_id")).where(held_here).subquery("p")),
    "labelled coalesce": tied_to(select(func.coalesce(HELD.c.vendor_id, FOREIGN).label("vendor_id")).where(held_here).subquery("p")),
    "labelled cast": tied_to(select(cast(literal(FOREIGN), Integer).label("vendor_id")).subquery("p")),
    "labelled maximum": tied_to(select(func.max(VENDORS.c.vendor_id).label("vendor_id")).subquery("p")),
    "labelled scalar subquery": tied_to(select(select(literal(FOREIGN)).scalar_subquery().label("vendor_id")).subquery("p")),
    "labelled null": tied_to(select(null().label("vendor_id")).subquery("p")),
    "a column twice": tied_to(
        select(literal(FOREIGN).label("vendor_id"), HELD.c.vendor_id).where(held_here).subquery("p")
    ),
    "a column under its table's name": tied_to(
        select(literal(FOREIGN).label("vendor_id"), HELD.c.vendor_id.label("vendor_id_1"))
        .where(held_here).set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL).subquery("p")
    ),
    "VALUES": tied_to(values(column("vendor_id", Integer), name="v").data([(FOREIGN,)])),
    "VALUES in a CTE": tied_to(select(values(column("vendor_id", Integer), name="v").data([(1,)])).cte("c")),
    "a function": tied_to(number.table_valued("vendor_id", name="f").render_derived()),
    "a function of rows": tied_to(func.gateway_find(raw).table_valued("vendor_id", "record_id", name="f")),
    "a function's columns under other names": select(
        func.gateway_find(raw).table_valued("a", "b", name="f").render_derived().c.b
    ),
    "a function's columns in another order": select(user).where(
        here, RECORDS.c.record_id == func.gateway_find(raw).table_valued("record_id", "vendor_id", "product_id", name="f").render_derived().c.record_id
    ),
    "a function of rows, without an axis": select(func.gateway_find(raw).table_valued("vendor_id", "record_id", name="f").c.record_id),
    "a function of rows, open": select(func.gateway_find(raw).table_valued("vendor_id", "product_id", "user_id", name="f").c.user_id),
    "a function of rows, by one axis": select(func.gateway_find(raw).table_valued("vendor_id", "product_id", name="f").c.product_id).where(
        func.gateway_find(raw).table_valued("vendor_id", "product_id", name="f").c.vendor_id == 1
    ),
    "a function of rows among columns": select(func.gateway_find(raw)),
    "a staging table": tied_to(temporary("staged")),
    "a column of a DELETE": tied_to(delete(HELD).where(held_here).returning(literal(FOREIGN).label("vendor_id")).cte("c")),
    # a name that means another table where it stands
    "a table's name": select(
        select(func.max(other.c.user_id)).where(other.c.vendor_id == sub.c.vendor_id, other.c.product_id == sub.c.product_id)
        .correlate(sub).scalar_subquery()
    ).select_from(sub),
    "a made-up name": select(
        select(func.max(nameless.c.user_id)).where(nameless.c.vendor_id == shadowed.c.vendor_id, nameless.c.product_id == shadowed.c.product_id)
        .correlate(shadowed).scalar_subquery()
    ).select_from(shadowed),
    "a name that is cut": select(RECORDS.alias("r" * 64).c.user_id).where(here),
    "one name twice": select(user).select_from(RECORDS.alias("r"), held_rows.subquery("r")).where(here),
    "one name for two CTEs": select(held_rows.cte("c").c.vendor_id, labels().cte("c").c.product_id),
    "a CTE of its own place": tied_to(labels(1).cte("c", nesting=True)),
    "an added CTE of its own place": select(raw).add_cte(labels(1).cte("c"), nest_here=True),
    "a recursive CTE": tied_to(recursive),
    "a CTE that goes on": tied_to(labels(1).cte("c").union_all(labels())),
    "a column of a table that is not there": tied(RECORDS.c.vendor_id == HELD.alias("h").c.vendor_id),
    # LATERAL and correlation
    "lateral, open": select(HELD.c.vendor_id, lateral(select(user).where(RECORDS.c.vendor_id == HELD.c.vendor_id)).c.user_id).where(held_here),
    "lateral, by one axis": select(lateral(select(user).where(RECORDS.c.vendor_id == HELD.c.vendor_id).correlate(HELD)).c.user_id)
    .select_from(HELD).where(held_here),
    "lateral, beside an open table": select(
        select(user).where(RECORDS.c.vendor_id == other.c.vendor_id, RECORDS.c.product_id == other.c.product_id)
        .correlate(other).lateral("l").c.user_id
    ).select_from(other),
    "lateral, by a table's name": select(
        select(nameless.c.user_id).where(nameless.c.vendor_id == shadowed.c.vendor_id, nameless.c.product_id == shadowed.c.product_id)
        .correlate(shadowed).lateral("l").c.user_id
    ).select_from(shadowed),
    "lateral, by a labelled constant": select(
        select(user).where(RECORDS.c.vendor_id == (named := labels().subquery("s")).c.vendor_id, RECORDS.c.product_id == named.c.product_id)
        .correlate(named).lateral("l").c.user_id
    ).select_from(named),
    "lateral of a union": select(union_all(select(user).where(here), select(user)).lateral("l").c.user_id),
    "tied to a lateral's column": tied_to(labels().lateral("l")),
    "lateral tie in a ring": select(user).where(
        RECORDS.c.product_id == 10,
        RECORDS.c.vendor_id == select(other.c.vendor_id).where(other.c.product_id == 10, other.c.vendor_id == RECORDS.c.vendor_id).lateral("l").c.vendor_id,
    ),
    "correlated to an open table, two deep": select(
        select(select(VERSIONS.c.user_id).where(VERSIONS.c.vendor_id == RECORDS.c.vendor_id, VERSIONS.c.product_id == RECORDS.c.product_id)
        .correlate(RECORDS).scalar_subquery()).correlate(RECORDS).scalar_subquery()
    ).select_from(RECORDS),
    "correlation that does not happen": select(HELD.c.vendor_id, select(user).where(RECORDS.c.vendor_id == HELD.c.vendor_id).correlate(HELD).subquery("s")).where(held_here),
    # tables
    "a light table": select(light_table("service_records", column("user_id")).c.user_id),
    "a table of another metadata": select(Table("service_records", MetaData(), Column("user_id", Text)).c.user_id),
    "an unknown table": select(Table("pg_stats", MetaData(), Column("x", Text)).c.x),
    "a staging table by a table's name": select(temporary("service_records").c.user_id),
    "a staging table by a catalogue's name": select(temporary("pg_stats").c.user_id),
    "a staging table that stays": select(temporary("staged", postgresql_on_commit=None).c.user_id),
    "a staging table that inherits": select(temporary("staged", postgresql_inherits="service_records").c.user_id),
    "a staging table in a schema": select(temporary("tables", schema="information_schema").c.user_id),
    "a staging table by a folded name": select(temporary(unquoted("SERVICE_RECORDS")).c.user_id),
    "a staging table by a raw name": select(temporary(unquoted("service_records s")).c.user_id),
    "a staging table with a raw column": select(temporary("staged", Column(unquoted(f"({_RAW})"), Text)).c),
    "a staging table with a default": insert(temporary("staged", Column("x", Text, default=unscoped), Column("y", Text))).values(y="y"),
    "a staging table with a raw default": insert(temporary("staged", Column("x", Text, server_default=text("f()")))),
    "a staging table of a strange type": select(temporary("staged", Column("x", Evil())).c.x),
    "API keys": select(ApiKey.table().c.digest),
    "API keys, with the scope": select(ApiKey.table().c.digest).where(ApiKey.table().c.vendor_id == 1),
    "a change of what all share": update(Licensor.table()).values(name="x"),
    "an insert into what all share": insert(Licensor.table()).values(code="x", name="x"),
    "an alias of an alias": select(other.alias("o").c.user_id).where(here),
    "an alias of a subquery": select(held_rows.subquery("s").alias("t").c.vendor_id),
    "TABLESAMPLE, confined": select((sample := RECORDS.tablesample(50)).c.user_id).where(SCOPE.covers(sample)),
    "a function in FROM": select(func.pg_ls_dir(".").table_valued("x", name="f").c.x),
    "a function in FROM, as a column": select(func.json_each(raw).column_valued("x")),
    "a function in FROM, with types": select(number.table_valued(column("x", Integer), name="f").render_derived(with_types=True).c.x),
    "a subquery in a function in FROM": select(func.unnest(select(func.array_agg(user)).scalar_subquery()).table_valued("x", name="f").c.x),
    "an entity": select(ServiceRecord).where(here),
    "an aliased entity": select(aliased(ServiceRecord).user_id),
    # functions
    **{
        f"func.{name}": select(getattr(func, name)(*arguments))
        for name, *arguments in (
            ("set_config", "gateway.vendors", "{2}", True),
            ("current_setting", "gateway.vendors"),
            ("query_to_xml", _RAW, True, True, ""),
            ("table_to_xml", "service_records", True, True, ""),
            ("database_to_xml", True, True, ""),
            ("dblink", "x", _RAW),
            ("pg_read_file", "PG_VERSION"),
            ("pg_ls_dir", "."),
            ("pg_sleep", 1),
            ("lo_get", 1),
            ("lo_import", "/etc/passwd"),
            ("nextval", "x"),
            ("ts_stat", _RAW),
            ("gateway_authenticate", b""),
            ("gateway_market",),
            ("has_table_privilege", "x", "SELECT"),
            ("now",),
        )
    },
    "a function of a schema": select(func.pg_catalog.lower("x")),
    "a function by a raw name": select(Function(unquoted("lower(x), upper"), raw)),
    "a function as an operator": select(func.strpos(raw, raw).as_comparison(1, 2)),
    "a function's type": select(func.lower("x", type_=Evil())),
    "a sequence": select(Sequence("s").next_value()),
    "WITHIN GROUP": select(func.mode().within_group(user)),
    # raw SQL
    "raw text": text(_RAW),
    "raw text with columns": text(_RAW).columns(column("x")),
    "raw text in a subquery": select(text(_RAW).columns(column("x")).subquery("s").c.x),
    "raw text in ORDER BY": select(raw).order_by(text(f"({_RAW})")),
    "raw label in ORDER BY": select(raw).order_by("x"),
    "raw text in GROUP BY": select(raw).group_by(text("1")),
    "raw text in ON": select(user).select_from(RECORDS.join(HELD, text("true"))).where(here, held_here),
    "raw text in DISTINCT ON": select(user).where(here).ext(distinct_on(text("1"))),
    "raw text in a window": select(func.sum(1).over(order_by=text("1"))),
    "raw text in SET": update(RECORDS).where(here).values(user_name=text(f"({_RAW})")),
    "raw text in VALUES": insert(AUDIT).values(event | {"actor": text(f"({_RAW})")}),
    "raw text in RETURNING": delete(RECORDS).where(here).returning(text(f"({_RAW})")),
    "raw text in a conflict": pg.insert(DELTAS).values(delta).on_conflict_do_update(
        index_elements=["vendor_id", "product_id", "month"], set_={"new": text("1")}
    ),
    "raw literal": select(literal_column("current_setting('x')")),
    "raw literal, quotes": select(literal_column("'a' || (SELECT 'b') || 'c'")),
    "raw literal, its type": select(literal_column("1", Evil())),
    "a column of no table": select(column("user_id")),
    "a column by a raw name": select(column(unquoted(f"({_RAW})"))),
    "a label by a raw name": select(raw.label(unquoted("x FROM service_records"))),
    "a subquery by a raw name": select(labels(1).subquery(unquoted("s, service_records")).c.vendor_id),
    "a CTE by a raw name": select(labels(1).cte(unquoted("c AS (SELECT 1), d")).c.vendor_id),
    "an alias by a raw name": select((bad := RECORDS.alias(unquoted("r, service_records s"))).c.user_id).where(SCOPE.covers(bad)),
    "VALUES by a raw name": select(values(column("x", Integer), name=unquoted("v, w")).data([(1,)]).c.x),
    "a raw operator": select(raw.op("||")(raw)),
    "a raw boolean operator": select(user).where(here, user.bool_op("~")("x")),
    "a raw unary operator": select(UnaryExpression(raw, operator=custom_op("@"))),
    "a raw modifier": select(UnaryExpression(raw, modifier=custom_op("@"))),
    "a raw field": select(extract("year FROM now()), (SELECT 1", literal(THEN))),
    "a raw collation": select(raw.collate('C" || (SELECT 1) || "')),
    "a raw collation of a type": select(cast(raw, Text(collation='C" || "'))),
    "a raw length": select(cast(raw, String("9)) || (SELECT 'x'"))),  # type: ignore[arg-type]
    "a raw precision": select(cast(raw, Numeric("9) || 1"))),  # type: ignore[arg-type]
    "a type's variant": select(cast(raw, Text().with_variant(Evil(), "postgresql"))),
    "a type of its own": select(cast(raw, Evil())),
    "a type of its own in an array": select(cast(raw, ARRAY(Evil()))),
    "a coerced type": select(type_coerce(raw, Evil())),
    "a domain": select(cast(raw, pg.DOMAIN("d", Text()))),
    "an element of its own": select(Shout()),
    "a statement of its own": Picked(user).where(here),
    "a lambda": lambda_stmt(lambda: select(RECORDS.c.user_id)),
    "an escape": select(raw.like("x", escape="'")),
    "a regular expression's flags": select(raw.regexp_match("x", flags="i")),
    "prefix": select(user).where(here).prefix_with("ALL"),
    "prefix of a CTE": select(labels(1).cte("c").prefix_with(f"MATERIALIZED ({_RAW}), d AS").c.vendor_id),
    "suffix of a CTE": select(labels(1).cte("c").suffix_with("SEARCH").c.vendor_id),
    "prefix of an INSERT": insert(HELD).values(vendor_id=1, product_id=10).prefix_with("x"),
    "prefix of an UPDATE": update(RECORDS).where(here).values(user_name="x").prefix_with("x"),
    "prefix of a DELETE": delete(RECORDS).where(here).prefix_with("ONLY"),
    "suffix": select(user).where(here).suffix_with("FOR UPDATE"),
    "hint": select(user).where(here).with_hint(RECORDS, "x"),
    "hint of an UPDATE": update(RECORDS).where(here).values(user_name="x").with_hint("x"),
    "statement hint": select(user).where(here).with_statement_hint("x"),
    "DDL": DDL("DROP TABLE service_records"),
    "CREATE TABLE AS": CreateTableAs(select(user).where(here), "t"),
    "DROP TABLE": DropTable(RECORDS),
    "a connection's statement": SavepointClause("x"),
    # changes
    "insert of an open column": insert(HELD).from_select(["vendor_id", "product_id"], select(HELD.c.vendor_id, literal(10))),
    "insert from the other axis": insert(HELD).from_select(
        ["product_id", "vendor_id"], select(literal(1), literal(10))
    ),
    "insert from a subquery's constant": insert(HELD).from_select(["vendor_id", "product_id"], select(labels().subquery("s"))),
    "insert from a staging table": insert(HELD).from_select(
        ["vendor_id", "product_id"], select(temporary("staged").c.vendor_id, literal(10))
    ),
    "insert from a limited union": insert(HELD).from_select(
        ["vendor_id", "product_id"], union_all(labels(1).limit(1), labels().limit(1))
    ),
    "insert from EXCEPT": insert(HELD).from_select(["vendor_id", "product_id"], labels(1).except_(labels())),
    "insert from VALUES": insert(HELD).from_select(
        ["vendor_id", "product_id"],
        select(values(column("vendor_id", Integer), column("product_id", Integer), name="v").data([(1, 10)])),
    ),
    "insert of tuples": insert(HELD).values([(1, 10), (FOREIGN, 10)]),
    "insert of a column twice": insert(HELD).values({"vendor_id": 1, HELD.c.vendor_id: FOREIGN, "product_id": 10}),
    "insert of an expression": insert(HELD).values(vendor_id=literal(1) + 1, product_id=10),
    "insert of a text": insert(HELD).values(vendor_id="1", product_id=10),
    "insert in a CTE": select(raw).add_cte(insert(HELD).values(vendor_id=FOREIGN, product_id=10).cte("c")),
    "update in a CTE": select(raw).add_cte(update(RECORDS).values(user_name="x").returning(user).cte("c")),
    "CTE of an update": update(RECORDS).where(here).values(user_name="x").add_cte(select(user).cte("c")),
    "CTE of an insert": insert(HELD).values(vendor_id=1, product_id=10).add_cte(select(user).cte("c")),
    "update that keeps the owner": update(RECORDS).where(here).values(vendor_id=RECORDS.c.vendor_id),
    "update of an owner by its column": update(RECORDS).where(here).values({RECORDS.c.vendor_id: FOREIGN}),
    "ordered update of an owner": update(RECORDS).where(here).ordered_values((RECORDS.c.vendor_id, FOREIGN)),
    "update of an alias": update(other).values(user_name="x"),
    "update from a subquery": update(RECORDS).values(user_name=(s := select(user).subquery("s")).c.user_id).where(here),
    "update tied to a constant": update(RECORDS).values(user_name="x").where(
        RECORDS.c.product_id == 10, RECORDS.c.vendor_id == labels().subquery("s").c.vendor_id
    ),
    "update tied to a staging table": update(RECORDS).values(user_name="x").where(
        RECORDS.c.product_id == 10, RECORDS.c.vendor_id == temporary("staged").c.vendor_id
    ),
    "delete USING": delete(STAGING).using(RECORDS),
    "conflict on another key": pg.insert(VENDORS).values(vendor_id=1, code="B", name="x").on_conflict_do_update(
        index_elements=["code"], set_={"name": "x"}
    ),
    "conflict on a constraint": pg.insert(VENDORS).values(vendor_id=1, code="B", name="x").on_conflict_do_update(
        constraint="uq_vendors_code", set_={"name": "x"}
    ),
    "conflict on one axis": pg.insert(DELTAS).values(delta).on_conflict_do_update(index_elements=["vendor_id", "month"], set_={"new": 1}),
    "conflict moves by a column": pg.insert(DELTAS).values(delta).on_conflict_do_update(
        index_elements=["vendor_id", "product_id", "month"], set_={DELTAS.c.product_id: 20}
    ),
    "subquery in a conflict's WHERE": pg.insert(DELTAS).values(delta).on_conflict_do_update(
        index_elements=["vendor_id", "product_id", "month"], set_={"new": 1}, where=exists(user)
    ),
    "subquery in a conflict's index": pg.insert(DELTAS).values(delta).on_conflict_do_nothing(
        index_elements=["vendor_id"], index_where=exists(user)
    ),
}  # fmt: skip


@pytest.mark.parametrize("statement", CONTRIVED.values(), ids=CONTRIVED)
def test_contrived_statements_are_refused(statement: Any) -> None:
    with pytest.raises(ScopeViolation):
        check(statement, SCOPE)


@pytest.mark.parametrize("statement", HOLES.values(), ids=HOLES)
def test_the_guard_stops_the_contrived(statement: Any) -> None:
    with pytest.raises(ScopeViolation):
        check(statement, SCOPE)


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
async def test_row_level_security_stops_the_contrived_alone(
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
    return select(
        stat_page(listed, {"users": drill_down}, Page(first=100), total=True, before=(1, 12))
    )


def _totals(scope: Scope, as_of: datetime | None = None) -> Any:
    listed = StatList(scope, today(), MONTHS, as_of=as_of)
    summed = {"by none": [], "by all": list(TotalKey)}
    return select(stat_page(listed, {}, Page(first=5), total=True, summed=summed, before=(1,)))


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
    "licences": lambda scope: select(
        licence_page(scope, IN_FORCE, Page(first=5, after=PLACE), total=True)
    ),
    "vendors' licences": lambda scope: select(
        vendors_licences(scope, [*scope.vendors.values()], IN_FORCE)
    ),
    "products' interfaces": lambda scope: select(
        products_interfaces(scope, [*scope.products.values()], current=True)
    ),
    "products' exchanges": lambda scope: select(
        products_exchanges(scope, [*scope.products.values()])
    ),
    "export of users": lambda scope: lines(
        SZSE_2010.users, whole(UserList(scope, today(), COUNTED))
    ),
    "export of users as of": lambda scope: lines(
        SZSE_2010.users, whole(UserList(scope, today(), as_of=THEN))
    ),
    "export of stats": lambda scope: lines(
        SZSE_2010.monthly, whole_stats(StatList(scope, today(), MONTHS))
    ),
    "export of stats as of": lambda scope: lines(
        SZSE_2010.monthly, whole_stats(StatList(scope, today(), MONTHS, as_of=THEN))
    ),
    "what an export can't write": lambda scope: unwritable(
        obstacles(SZSE_2010, SZSE_2010.users),
        *whole(UserList(scope, today(), as_of=THEN)),
        "user_id",
    ),
}


def lines(layout: Layout, found: Rows) -> Any:
    columns, rows = found
    return rows.add_columns(*cells(SZSE_2010, layout, columns))


def _hits(scope: Scope, name: str, **options: Any) -> Any:
    """The scope's records by several roads, each road ordered and cut on its own."""
    roads = [
        select(rows.c.vendor_id, rows.c.record_id, rows.c.product_id)
        .where(scope.covers(rows), condition)
        .order_by(rows.c.vendor_id, rows.c.record_id)
        .limit(50)
        for rows in (RECORDS.alias("one"), RECORDS.alias("two"))
        for condition in (rows.c.batch_no >= 0, tuple_(rows.c.user_id, rows.c.batch_no) > ("", 0))
    ]
    return getattr(union_all(*roads).subquery("roads").select(), options.get("kind", "cte"))(name)


def _joined(hits: Any) -> Any:
    """Records found by the keys of others, which alone carry the scope."""
    found = RECORDS.alias("found")
    return select(found.c.vendor_id, found.c.record_id).where(
        found.c.vendor_id == hits.c.vendor_id,
        found.c.record_id == hits.c.record_id,
        found.c.product_id == hits.c.product_id,
    )


def _by_batches(scope: Scope) -> Any:
    batches = ImportBatch.table()
    last = (
        select(batches.c.vendor_id, func.max(batches.c.recorded_at).label("at"))
        .where(scope.covers(batches))
        .group_by(batches.c.vendor_id)
        .cte("last")
    )
    rows = RECORDS.alias("r")
    return (
        select(rows.c.record_id, last.c.at)
        .select_from(rows.join(last, rows.c.vendor_id == last.c.vendor_id))
        .where(
            rows.c.product_id
            == any_(bindparam(None, scope.ids("product_id"), ARRAY(Integer), unique=True))
        )
    )


def _last_of_each(scope: Scope) -> Any:
    last = (
        select(user)
        .where(
            RECORDS.c.vendor_id == HELD.c.vendor_id,
            RECORDS.c.product_id == HELD.c.product_id,
        )
        .order_by(user.desc())
        .limit(1)
        .correlate(HELD)
        .lateral("last")
    )
    joined = HELD.outerjoin(last, true())
    return select(HELD.c.vendor_id, last.c.user_id).select_from(joined).where(scope.covers(HELD))


def _if_few(scope: Scope) -> Any:
    hits = _hits(scope, "hits").prefix_with("MATERIALIZED")
    few = select(func.count()).select_from(hits).scalar_subquery() <= 1000
    return union_all(
        _joined(hits).where(few),
        select(other.c.vendor_id, other.c.record_id).where(scope.covers(other), ~few).limit(9),
    )


def _found(scope: Scope) -> Any:
    """Rows that a function of the gateway's finds."""
    columns = (column(one.name, one.type) for one in RECORDS.c)
    found = func.gateway_find("x").table_valued(*columns, name="f")
    return select(found.c.user_id).where(scope.covers(found))


COMING: dict[str, Callable[[Scope], Any]] = {
    "union of cut selects in a subquery": lambda scope: _joined(_hits(scope, "h", kind="subquery")),
    "union of cut selects in a CTE": lambda scope: _joined(_hits(scope, "h")),
    "an aliased CTE": lambda scope: _joined(_hits(scope, "h").alias("a")),
    "a CTE not materialized": lambda scope: _joined(_hits(scope, "h").prefix_with("NOT MATERIALIZED", dialect="postgresql")),
    "only if there are few": _if_few,
    "joined to an aggregate of batches": _by_batches,
    "the last of each, LATERAL": _last_of_each,
    "left join of joins": lambda scope: select(HELD.c.vendor_id, RECORDS.c.user_id).select_from(
        HELD.outerjoin(RECORDS.join(PRODUCTS, RECORDS.c.product_id == PRODUCTS.c.product_id), scope.covers(RECORDS))
    ).where(scope.covers(HELD)),
    "EXISTS in a tuple": lambda scope: select(user).where(
        scope.covers(RECORDS), tuple_(RECORDS.c.vendor_id, RECORDS.c.record_id).in_(
            select(VERSIONS.c.vendor_id, VERSIONS.c.record_id).where(scope.covers(VERSIONS)))
    ),
    "VALUES beside": lambda scope: select(user, values(column("x", Integer), name="v").data([(1,), (2,)]).c.x).where(
        scope.covers(RECORDS)
    ),
    "DISTINCT ON, windows, CASE": lambda scope: select(
        RECORDS.c.vendor_id, func.row_number().over(partition_by=RECORDS.c.vendor_id, order_by=user, rows=(None, 0)),
        case((RECORDS.c.batch_no > 1, "x"), else_="y"), func.count().filter(RECORDS.c.batch_no > 0).over(),
    ).where(scope.covers(RECORDS)).ext(distinct_on(RECORDS.c.vendor_id)).order_by(RECORDS.c.vendor_id, user.desc().nulls_last()),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*cartesian product")
@pytest.mark.parametrize("build", COMING.values(), ids=COMING)
async def test_shapes_to_come_pass_and_need_no_other_wall(
    market: World, unwalled: AsyncEngine, build: Callable[[Scope], Any]
) -> None:
    scope = (await market.scope(BETA)).narrow(products=[ENHANCED])
    shown = await _rows(unwalled, build(scope))
    assert shown == await _walled(market, scope, build(scope))
    assert shown or build is COMING["EXISTS in a tuple"]


def test_a_function_of_rows_passes_tied() -> None:
    check(_found(SCOPE), SCOPE)


def test_reference_data_passes_without_a_scope() -> None:
    check(select(spec_page(SCOPE, SPECS, Page(last=5), total=True)), SCOPE)


async def test_changes_through_staging_tables_pass(market: World) -> None:
    scope, staged = await market.scope(BETA), temporary("staged")
    (vendor,), where = scope.vendors, scope.covers(RECORDS)
    async with market.unchanged(), open_session(market.house.service, scope, write=True) as session:
        await session.create(staged)
        await session.execute(
            insert(staged).from_select(
                ["user_id", "vendor_id"], select(user, RECORDS.c.vendor_id).where(where)
            )
        )
        for statement in (
            update(RECORDS)
            .values(user_name=staged.c.user_id)
            .where(where, user == staged.c.user_id),
            update(RECORDS)
            .values(user_name="x")
            .where(
                user == staged.c.user_id,
                RECORDS.c.vendor_id == staged.c.vendor_id,
                scope.covers(staged),
                RECORDS.c.product_id == HELD.c.product_id,
                scope.covers(HELD),
            ),
            delete(RECORDS).where(where, user == staged.c.user_id),
        ):
            assert (await session.execute(statement)).rowcount
        held = scope.ids("product_id")[0]
        await session.execute(
            pg.insert(HELD)
            .from_select(
                ["vendor_id", "product_id"],
                select(staged.c.vendor_id, literal(held)).where(staged.c.vendor_id == vendor),
            )
            .on_conflict_do_nothing()
        )
        session.discard()


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
SEEDS = 120


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
_NUMBERS: dict[str, list[int]] = {}
"""On each axis a number within the scope, three times, and one without."""


def _random_item(dice: random.Random, scope: Scope, depth: int) -> Any:
    if dice.random() < 0.1:  # columns that only have the names
        made = (select(*(literal(dice.choice(_NUMBERS[a])).label(a) for a in _AXES)) for _ in "12")
        return union_all(*made).subquery(f"s{next(_aliases)}")
    if depth and dice.random() < 0.1:
        parts = [_random_select(dice, scope, 0).subquery(f"s{next(_aliases)}") for _ in "12"]
        both = union_all(*(select(*(part.c[a] for a in _AXES)).limit(9**9) for part in parts))
        return getattr(both, dice.choice(("subquery", "cte")))(f"s{next(_aliases)}")
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
    foreign = await market.scope(ALPHA)
    for axis in _AXES:
        _NUMBERS[axis] = scope.ids(axis) * 3 + sorted({*foreign.ids(axis)} - {*scope.ids(axis)})[:1]
    outcomes = Counter[tuple[bool, bool]]()
    for seed in range(SEEDS):
        rows = _random_select(random.Random(seed), scope).subquery("q")
        digest = func.sum(func.hashtext(cast(func.row(*rows.c), Text)))
        statement = select(func.count(), digest).select_from(rows)
        try:
            check(select(rows), scope)
            passed = True
        except ScopeViolation:
            passed = False
        same = await _rows(unwalled, statement) == await _walled(market, scope, statement)
        assert same or not passed, f"seed {seed}: {statement}"
        outcomes[passed, same] += 1
    assert outcomes[True, True] > 20
    assert outcomes[False, False] > 20
