"""What is to be exported: a request that can be sealed into a link and opened again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field
from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.audit.log import record
from gateway.config.clock import market_date, today
from gateway.errors import Refused
from gateway.exports.columns import monthly_lines, unwritable, user_lines
from gateway.exports.stream import Form, Receipt, Sink, stream
from gateway.records.filters import UserFilter
from gateway.records.order import BY_USER_ID, UserOrder
from gateway.records.users import UserList
from gateway.regulation.fields import Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.layouts import SZSE_2010
from gateway.regulation.months import Month
from gateway.statistics.grid import OLDEST_FIRST, MonthlyStatOrder, StatList
from gateway.tenancy.principal import Right
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import ScopedSession, open_session


@dataclass(frozen=True)
class UserExport:
    """The user download (一、1) of a filtered, sorted list."""

    vendors: tuple[str, ...] | None = None
    products: tuple[str, ...] | None = None
    filter: UserFilter = field(default_factory=UserFilter)
    order: tuple[UserOrder, ...] = BY_USER_ID
    as_of: datetime | None = None
    kind: Literal["users"] = "users"

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.users

    def lines(self, scope: Scope, report_format: ReportFormat) -> Select[*tuple[Any, ...]]:
        """Return the statement of the lines, for the scope."""
        listed = UserList(scope, day(self.as_of), self.filter, self.order, self.as_of)
        return user_lines(listed, report_format)


@dataclass(frozen=True)
class MonthlyExport:
    """The monthly download (一、2), oldest month first unless asked otherwise."""

    months: tuple[Month, ...]
    vendors: tuple[str, ...] | None = None
    products: tuple[str, ...] | None = None
    order: tuple[MonthlyStatOrder, ...] = OLDEST_FIRST
    as_of: datetime | None = None
    kind: Literal["monthly"] = "monthly"

    def layout(self, report_format: ReportFormat) -> Layout:
        """Return the columns."""
        return report_format.monthly

    def lines(self, scope: Scope, report_format: ReportFormat) -> Select[*tuple[Any, ...]]:
        """Return the statement of the lines, for the scope."""
        listed = StatList(scope, day(self.as_of), self.months, self.order, self.as_of)
        return monthly_lines(listed, report_format)


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
    scope = await admitted(engine, scope, wanted)
    await _log(engine, scope, f"export.{wanted.kind}.start")
    async with open_session(engine, scope) as session:
        await _no_time_limit(session)
        lines, layout = wanted.lines(scope, report_format), wanted.layout(report_format)
        if not report_format.holds_any_value:
            await _all_writable(session, unwritable(lines, layout, report_format.separator))
        receipt = await stream(session, lines, report_format, layout, form, sink)
    detail: dict[str, Any] = {"sha256": receipt.sha256}
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
