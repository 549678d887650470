"""What is to be exported: a request that can be sealed into a link and opened again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import ColumnElement, FromClause, Select, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.log import record
from gateway.catalogue.packs import packs_document, read_packs
from gateway.config.clock import market_date, today
from gateway.errors import Refused
from gateway.exports.columns import monthly_lines, unwritable, user_lines
from gateway.exports.stream import Form, Receipt, Sink, stream
from gateway.records.filters import UserFilter
from gateway.records.movements import Movement
from gateway.records.order import BY_USER_ID, UserOrder
from gateway.records.personal import PERSONAL
from gateway.records.users import UserList
from gateway.regulation.codes import FeeCategory
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.months import Month
from gateway.regulation.packs import RulePack
from gateway.statistics.grid import OLDEST_FIRST, MonthlyStatOrder, Packs, StatList
from gateway.statistics.packed import chosen
from gateway.statistics.stats import counted_by
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import ScopedSession, open_session


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

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.users

    def personal(self, report_format: ReportFormat) -> list[str]:
        """Return the personal data among the columns, as the log names it."""
        names = (one.name for one in report_format.users.fields)
        return sorted(PERSONAL[name] for name in names if name in PERSONAL)

    @property
    def by_packs(self) -> bool:
        """Whether rule packs take part, which may look at other products than are listed."""
        return self.counted_by is not None

    async def lines(
        self, session: ScopedSession, scope: Scope, report_format: ReportFormat
    ) -> Select[*tuple[Any, ...]]:
        """Return the statement of the lines, for the scope; the session's may reach further."""
        users = UserList(scope, day(self.as_of), self.filter, self.order, self.as_of)
        if self.counted_by is None:
            return user_lines(users, report_format)
        among = self.counted_by.condition(scope, session.scope, self.as_of)
        return user_lines(users, report_format, among)


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

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.monthly

    def personal(self, _: ReportFormat) -> list[str]:
        """Return the personal data among the columns: none."""
        return []

    @property
    def by_packs(self) -> bool:
        """Whether rule packs take part, which may look at other products than are listed."""
        return True

    async def lines(
        self, session: ScopedSession, scope: Scope, report_format: ReportFormat
    ) -> Select[*tuple[Any, ...]]:
        """Return the statement of the lines, for the scope; the session's may reach further."""
        stats = StatList(scope, day(self.as_of), self.months, self.order, self.as_of)
        known = read_packs(await session.scalar(select(packs_document(scope))))
        packs = chosen(self.rule_pack, *known)
        return monthly_lines(replace(stats, packs=packs, reach=session.scope), report_format)


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
        await _log(engine, scope, f"export.{wanted.kind}.refused")
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
    """Export within the scope, logging its start and its end with the file's digest.

    One snapshot serves it all. Raise Refused, before the first byte, if a value can't be written in
    the format.
    """
    whole, scope = scope, await admitted(engine, scope, wanted)
    reach = whole.narrow(vendors=wanted.vendors) if wanted.by_packs else scope
    await _log(engine, scope, f"export.{wanted.kind}.start")
    async with open_session(engine, reach) as session:
        await _no_time_limit(session)
        lines = await wanted.lines(session, scope, report_format)
        layout = wanted.layout(report_format)
        if not report_format.holds_any_value:
            await _all_writable(session, unwritable(lines, layout, report_format.separator))
        receipt = await stream(session, lines, report_format, layout, form, sink)
    detail: dict[str, Any] = {"sha256": receipt.sha256}
    if shown := wanted.personal(report_format) if scope.reveals else []:
        detail["personal"] = shown
    if len(scope.vendors) == 1:
        # of a file over several vendors, its size would tell each of them about the others
        detail |= {"rows": receipt.rows, "size": receipt.size}
    await _log(engine, scope, f"export.{wanted.kind}.complete", **detail)
    return receipt


async def _log(engine: AsyncEngine, scope: Scope, action: str, **detail: Any) -> None:
    async with open_session(engine, scope, write=True) as session:
        await record(session, action, **detail)


async def _all_writable(session: ScopedSession, unwritable: Select[*tuple[Any, ...]]) -> None:
    if number := await session.scalar(unwritable):
        raise Refused(
            f"{number} lines have a value with the format's separator in it",
            f"有{number}行的值含该格式的分隔符",
            argument="format",
            accepted="a format that quotes values, or szse-2010",
        )


async def _no_time_limit(session: ScopedSession) -> None:
    await session.tune(statement_timeout="0", work_mem="64MB")
