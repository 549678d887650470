"""What is to be exported: a request that can be sealed into a link and opened again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import Field
from pydantic.alias_generators import to_camel
from sqlalchemy import ColumnElement, FromClause, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.catalogue.formats import formats_document, read_formats
from gateway.catalogue.packs import packs_document, read_packs
from gateway.config.clock import market_date, today
from gateway.errors import Refused
from gateway.exports.columns import cells, unwritable
from gateway.exports.logged import ExportLog, log_act
from gateway.exports.stream import Form, Receipt, Sink, stream
from gateway.records.filters import UserFilter
from gateway.records.models import ImportBatch
from gateway.records.movements import Movement
from gateway.records.order import BY_USER_ID, UserOrder
from gateway.records.personal import PERSONAL
from gateway.records.users import UserList, whole
from gateway.regulation.codes import FeeCategory
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.obstacles import Obstacle, holds, obstacles
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.months import Month
from gateway.regulation.packs import RulePack
from gateway.statistics.grid import OLDEST_FIRST, MonthlyStatOrder, Packs, StatList
from gateway.statistics.packed import chosen
from gateway.statistics.stats import counted_by, whole_stats
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import ScopedSession, open_session

Rows: TypeAlias = tuple[dict[str, ColumnElement[Any]], Select[*tuple[Any, ...]]]
"""Columns by name, and the ordered rows to add them to."""


@dataclass(frozen=True)
class CountedByPack:
    """The users behind a figure of one product and month by a rule pack other than the default."""

    pack: RulePack
    month: Month
    category: FeeCategory | None = None
    movement: Movement | None = None

    def condition(
        self, scope: Scope, reach: Scope, as_of: datetime | None
    ) -> Callable[[FromClause], ColumnElement[bool]]:
        """Return the condition on a record."""
        stats = StatList(
            scope,
            day(as_of),
            (self.month,),
            as_of=as_of,
            packs=Packs((self.pack,), fixed=True),
            reach=reach,
        )
        return counted_by(stats, self.movement, self.category)


@dataclass(frozen=True)
class UserExport:
    """The user download (一、1) of a filtered, sorted list."""

    vendors: tuple[str, ...] | None = None
    products: tuple[str, ...] | None = None
    filter: UserFilter = field(default_factory=UserFilter)
    order: tuple[UserOrder, ...] = BY_USER_ID
    as_of: datetime | None = None
    counted_by: CountedByPack | None = None
    kind: Literal["users"] = "users"
    example: ClassVar[str] = "user_id"
    """The column by which an error names a line."""

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.users

    def personal(self, report_format: ReportFormat) -> list[str]:
        """Return the personal data among the columns, as the log names it."""
        names = (one.name for one in report_format.users.fields)
        return sorted(PERSONAL[name] for name in names if name in PERSONAL)

    @property
    def said(self) -> dict[str, Any]:
        """What the log says of it: by which conditions it is a part of all users."""
        counted = [] if self.counted_by is None else ["counted_by"]
        names = [to_camel(name) for name in (*self.filter.names, *counted)]
        return {"conditions": names, **_said_of(self.as_of)}

    async def rows(self, session: ScopedSession, scope: Scope) -> Rows:
        """Return the list, for the scope; the session's may reach further."""
        users = UserList(scope, day(self.as_of), self.filter, self.order, self.as_of, session.scope)
        if self.counted_by is None:
            return whole(users)
        return whole(users, self.counted_by.condition(scope, session.scope, self.as_of))

    async def obstacles(
        self, session: ScopedSession, scope: Scope, report_format: ReportFormat
    ) -> Sequence[Obstacle]:
        """Return what may keep a line from being written: nothing if all were read by its like."""
        formats = read_formats(await session.scalar(select(formats_document(scope))))
        by_digest = {one.digest: one for one in formats.known.values()}
        batch = ImportBatch.table()
        told = select(batch.c.format_digest).distinct().where(scope.covers(batch))
        read = [by_digest.get(digest) for digest in (await session.execute(told)).scalars()]
        if all(one is not None and holds(report_format, one) for one in read):
            return ()
        return obstacles(report_format, self.layout(report_format))


@dataclass(frozen=True)
class MonthlyExport:
    """The monthly download (一、2), oldest month first unless asked otherwise."""

    months: tuple[Month, ...]
    vendors: tuple[str, ...] | None = None
    products: tuple[str, ...] | None = None
    order: tuple[MonthlyStatOrder, ...] = OLDEST_FIRST
    as_of: datetime | None = None
    rule_pack: str | None = None
    kind: Literal["monthly"] = "monthly"
    example: ClassVar[str] = "vendor_code"
    """The column by which an error names a line."""

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.monthly

    def personal(self, _: ReportFormat) -> list[str]:
        """Return the personal data among the columns: none."""
        return []

    @property
    def said(self) -> dict[str, Any]:
        """What the log says of it: its first and last month, and the rule pack if it is named."""
        months = {"months": [str(one) for one in (*self.months[:1], *self.months[-1:])]}
        pack = {} if self.rule_pack is None else {"pack": self.rule_pack}
        return {**months, **pack, **_said_of(self.as_of)}

    async def rows(self, session: ScopedSession, scope: Scope) -> Rows:
        """Return the figures, for the scope; the session's may reach further."""
        stats = StatList(scope, day(self.as_of), self.months, self.order, self.as_of)
        known = read_packs(await session.scalar(select(packs_document(scope))))
        packs = chosen(self.rule_pack, *known)
        return whole_stats(replace(stats, packs=packs, reach=session.scope))

    async def obstacles(
        self, _: ScopedSession, __: Scope, report_format: ReportFormat
    ) -> Sequence[Obstacle]:
        """Return what may keep a line from being written."""
        return obstacles(report_format, self.layout(report_format))


def _said_of(as_of: datetime | None) -> dict[str, str]:
    return {} if as_of is None else {"as_of": as_of.isoformat()}


Export = Annotated[UserExport | MonthlyExport, Field(discriminator="kind")]


def day(as_of: datetime | None) -> date:
    """Return the market's date at an instant, by default now."""
    return today() if as_of is None else market_date(as_of)


def within(scope: Scope, wanted: UserExport | MonthlyExport) -> Scope:
    """Return the part of the scope that the export is for; NotFound beyond it or without right."""
    scope.require(Right.EXPORT)
    return scope.narrow(vendors=wanted.vendors, products=wanted.products)


async def admitted(engine: AsyncEngine, scope: Scope, wanted: UserExport | MonthlyExport) -> Scope:
    """As `within`; a caller without the right to export leaves a line in the log of its vendor."""
    if Right.EXPORT not in scope.rights:
        await log_act(engine, scope, f"export.{wanted.kind}.refused")
    return within(scope, wanted)


def products_of(wanted: UserExport | MonthlyExport, scope: Scope) -> Sequence[str]:
    """Return the names of the products that an export is of."""
    if wanted.products is not None:
        return wanted.products
    if isinstance(wanted, UserExport) and wanted.filter.products:
        return wanted.filter.products
    return tuple(scope.products.values())


async def run_export(
    engine: AsyncEngine,
    scope: Scope,
    wanted: UserExport | MonthlyExport,
    form: Form,
    sink: Sink,
    report_format: ReportFormat = SZSE_2010,
) -> Receipt:
    """Export within the scope, logging its start and its end: the file's digest, or why it is cut.

    One snapshot serves it all. Raise Refused, before the first byte, if a value can't be written in
    the format.
    """
    whole, scope = scope, await admitted(engine, scope, wanted)
    # rule packs and masks may look at other products than are listed
    reach = whole.narrow(vendors=wanted.vendors)
    shown = wanted.personal(report_format) if scope.reveals else []
    told = {**wanted.said, **({"personal": shown} if shown else {})}
    products = {} if wanted.products is None else {"products": list(wanted.products)}
    log = ExportLog(engine, scope, f"export.{wanted.kind}", told, products)
    await log.start()
    try:
        async with open_session(engine, reach) as session:
            await _no_time_limit(session)
            columns, rows = await wanted.rows(session, scope)
            layout = wanted.layout(report_format)
            if found := await wanted.obstacles(session, scope, report_format):
                await _none_met(session, found, unwritable(found, columns, rows, wanted.example))
            lines = rows.add_columns(*cells(report_format, layout, columns))
            receipt = await stream(session, lines, report_format, layout, form, log.counting(sink))
        await log.complete(receipt)
    except BaseException as error:
        await log.cut(error)
        raise
    return receipt


async def _none_met(
    session: ScopedSession, found: Sequence[Obstacle], counted: Select[*tuple[Any, ...]]
) -> None:
    """Refuse a file with values that its format can't hold, naming columns, numbers and a line."""
    told = list((await session.execute(counted)).one())
    met = [
        (one, number, example)
        for one, number, example in zip(found, told[::2], told[1::2], strict=True)
        if number
    ]
    if met:
        raise Refused(
            "not all values can be written in the format: "
            + "; ".join(
                f"{one.field.heading} {one.said} (lines: {number}, as that of {example})"
                for one, number, example in met
            ),
            "有值不能以该格式写出："
            + "；".join(
                f"{one.field.heading}{one.said_zh}：{number}行，如{example}"
                for one, number, example in met
            ),
            argument="format",
            accepted="the format in which the data company has its files, or another that holds "
            "the values",
        )


async def _no_time_limit(session: ScopedSession) -> None:
    await session.tune(statement_timeout="0", work_mem="64MB")
