"""每月用户统计信息 (一、2)."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import strawberry

from gateway.exports.requests import MonthlyExport
from gateway.regulation.layouts import MONTHLY
from gateway.regulation.months import Month
from gateway.regulation.packs import SZSE_2010, RulePack
from gateway.schema.comparison import MonthlyComparison
from gateway.schema.context import Info
from gateway.schema.download import (
    Asked,
    Download,
    Encoding,
    End,
    Format,
    Header,
    format_of,
    link,
    page_text,
)
from gateway.schema.enums import FeeCategory, Movement, TotalKey
from gateway.schema.fee import CategoryQuantity, FeeLine, PackFee, lines_of
from gateway.schema.inputs import UserFilterInput, UserOrderInput
from gateway.schema.monthly_total import MonthlyTotal
from gateway.schema.needs import needs
from gateway.schema.pages import PageInfo, Slice
from gateway.schema.product import Product
from gateway.schema.selection import response_path
from gateway.schema.user import UserConnection
from gateway.schema.vendor import Vendor
from gateway.statistics.counting import CATEGORIES
from gateway.statistics.figures import PREVIOUS_MONTH, SAME_MONTH_LAST_YEAR, SHOWN
from gateway.statistics.packed import QUANTITIES
from gateway.tenancy.principal import Right

_HEADINGS = {field.name: f"{field.heading}." for field in MONTHLY.fields}


@strawberry.type(
    description="One vendor's figures for one product in one month.",
    directives=needs(Right.READ_STATISTICS),
)
class MonthlyStat:
    """A month's figures; `row` is their JSON, `nested` the drill-down lists by response key.

    `packs` are rule packs by name and version; `compared`, by response key, those whose fees are to
    be shown, each with the fee's place in the row.
    """

    row: strawberry.Private[dict[str, Any]]
    nested: strawberry.Private[dict[str, UserConnection]]
    current: strawberry.Private[Month]
    packs: strawberry.Private[Mapping[str, RulePack]]
    compared: strawberry.Private[Mapping[str, Sequence[tuple[RulePack, int]]]]

    @property
    def _month(self) -> Month:
        return Month.of(date.fromisoformat(self.row["month"]))

    @strawberry.field
    def vendor(self) -> Vendor:
        """Return whose figures they are."""
        return Vendor(row=self.row)

    @strawberry.field
    def product(self) -> Product:
        """Return of which product."""
        return Product(row=self.row)

    @strawberry.field(description="报告期.")
    def month(self) -> Month:
        """Return the month."""
        return self._month

    @strawberry.field(description="The month as pages show it: yyyy年mm月.")
    def label(self) -> str:
        """Return the month's label."""
        return self._month.label

    @strawberry.field(description=_HEADINGS["full_price_count"])
    def full_price_count(self) -> int:
        """Return the users counted FULL_PRICE."""
        return int(self.row["full_price"])

    @strawberry.field(description=_HEADINGS["regulatory_count"])
    def regulatory_count(self) -> int:
        """Return the users counted REGULATORY."""
        return int(self.row["regulatory"])

    @strawberry.field(description=_HEADINGS["internal_free_count"])
    def internal_free_count(self) -> int:
        """Return the users counted INTERNAL_FREE."""
        return int(self.row["internal_free"])

    @strawberry.field(description=_HEADINGS["trial_count"])
    def trial_count(self) -> int:
        """Return the users counted TRIAL."""
        return int(self.row["trial"])

    @strawberry.field(description=_HEADINGS["new_count"])
    def new_count(self) -> int:
        """Return the users whose service began in the month."""
        return int(self.row["new"])

    @strawberry.field(description="当月终止服务 (query), 当月注销 (download): one figure.")
    def ended_count(self) -> int:
        """Return the users whose service ended in the month, for either reason."""
        return int(self.row["ended"])

    @strawberry.field(description="Of endedCount: those reported as 用户注销.")
    def cancelled_count(self) -> int:
        """Return the users whose last end in the month was reported as a cancellation."""
        return int(self.row["cancelled"])

    @strawberry.field(description="Of endedCount: the others, 服务到期.")
    def expired_count(self) -> int:
        """Return the users whose service ran out."""
        return int(self.row["expired"])

    @strawberry.field(description="Yuan per full-price user, in force on the month's first day.")
    def price(self) -> Decimal | None:
        """Return the price in force, null without one."""
        return None if self.row["price"] is None else Decimal(self.row["price"])

    @strawberry.field(description=f"{_HEADINGS['fee']} In yuan; null where no price is in force.")
    def fee(self) -> Decimal | None:
        """Return the fee, null without a price."""
        return None if self.row["fee"] is None else Decimal(self.row["fee"])

    @strawberry.field(description="Whether the month is not over yet.")
    def provisional(self) -> bool:
        """Return whether it is the current month."""
        return self._month == self.current

    @strawberry.field(description="The rule pack that counted, with its version.")
    def rule_pack(self) -> str:
        """Return the rule pack's name and version."""
        return str(self._pack)

    @property
    def _pack(self) -> RulePack:
        return self.packs[self.row.get("rule_pack", str(SZSE_2010))]

    @strawberry.field(
        description="The four counts exactly: where the rule pack counts the average of the days, "
        "the counts beside are these, rounded half up to whole numbers."
    )
    def quantities(self) -> list[CategoryQuantity]:
        """Return the exact counts, by category."""
        names = zip(FeeCategory, CATEGORIES, strict=True)
        return [
            CategoryQuantity(
                category=category,
                quantity=Decimal(self.row.get(QUANTITIES[name], self.row[name])),
            )
            for category, name in names
        ]

    @strawberry.field(
        description="The fee line by line: their amounts add up to it, exactly. None without a "
        "price."
    )
    def fee_lines(self, info: Info) -> list[FeeLine]:
        """Return what the fee is made of."""
        return lines_of(self.row, self._pack, info.context.language)

    @strawberry.field(
        description="The fee as each rule pack would have it, side by side: of all packs the "
        "latest version, or those that are named, as NAME or NAME@VERSION."
    )
    def fees_by_pack(self, info: Info, packs: list[str] | None = None) -> list[PackFee]:
        """Return the fees that were read together with the figures."""
        fees = self.row["fees"]
        return [
            PackFee(rule_pack=str(pack), fee=None if fees[place] is None else Decimal(fees[place]))
            for pack, place in self.compared[response_path(info)]
        ]

    @strawberry.field(
        description="Users with a service that is free in the month without valid written approval "
        "(书面认可) on each of its days, whatever the rule pack makes of it."
    )
    def unapproved_count(self) -> int:
        """Return the users who would need an approval."""
        return int(self.row["unapproved"])

    @strawberry.field(
        description="The figures beside the month before; null where the calendar has none."
    )
    def previous_month(self) -> MonthlyComparison | None:
        """Return the comparison with the previous month (环比)."""
        return MonthlyComparison.of(self.row, PREVIOUS_MONTH)

    @strawberry.field(
        description="The figures beside the same month a year before; null where the calendar has "
        "none."
    )
    def same_month_last_year(self) -> MonthlyComparison | None:
        """Return the comparison with the same month of the previous year (同比)."""
        return MonthlyComparison.of(self.row, SAME_MONTH_LAST_YEAR)

    @strawberry.field(
        description="The users behind the figures: one line each, so that the list is as long as "
        "the count. With a movement the line that begins or ends the service, else the line that "
        "decided the category. With a category those lines that have it."
    )
    def users(
        self,
        info: Info,
        category: FeeCategory | None = None,
        movement: Movement | None = None,
        filter: UserFilterInput | None = None,  # noqa: A002
        order_by: list[UserOrderInput] | None = None,
        first: int | None = None,
        after: str | None = None,
    ) -> UserConnection:
        """Return the list that was read together with the figures."""
        return self.nested[response_path(info)]


@strawberry.type(directives=needs(Right.READ_STATISTICS))
class MonthlyStatEdge:
    """Relay's edge."""

    cursor: str
    node: MonthlyStat


@strawberry.type(description="A page of monthly figures.", directives=needs(Right.READ_STATISTICS))
class MonthlyStatConnection:
    """Relay's connection."""

    part: strawberry.Private[Slice]
    export: strawberry.Private[MonthlyExport]
    stats: strawberry.Private[list[MonthlyStat]]
    summed: strawberry.Private[dict[str, list[MonthlyTotal]]]

    @strawberry.field
    def edges(self) -> list[MonthlyStatEdge]:
        """Return nodes with their cursors."""
        return [
            MonthlyStatEdge(cursor=self.part.cursor(stat.row), node=stat) for stat in self.stats
        ]

    @strawberry.field
    def nodes(self) -> list[MonthlyStat]:
        """Return the nodes alone."""
        return self.stats

    @strawberry.field
    def page_info(self) -> PageInfo:
        """Return the page information."""
        return self.part.info

    @strawberry.field(description="How many rows the whole list has. Only computed if selected.")
    def total_count(self) -> int:
        """Return the number of all nodes in the list."""
        return self.part.total or 0

    @strawberry.field(
        description="Sums over the whole list, not this page, sorted by the keys in the order "
        "given; without keys one sum of all. Only computed if selected. A user who is counted in "
        "two months, at two vendors or in two products counts twice."
    )
    def totals(
        self,
        info: Info,
        by: Sequence[TotalKey] = (TotalKey.MONTH,),
    ) -> list[MonthlyTotal]:
        """Return the sums that were read together with the figures."""
        return self.summed[response_path(info)]

    @strawberry.field(
        description="This very page as lines of a report format: the regulation's || lines (一、2)."
    )
    async def delimited(self, info: Info, format: Format = None) -> str:  # noqa: A002
        """Return the page as lines of the format."""
        found = await format_of(info, self.export, format)
        return page_text(found, found.monthly, map(_cells, self.stats))

    @strawberry.field(description="A link to the whole list as such lines (一、2), streamed.")
    async def download(
        self,
        info: Info,
        encoding: Encoding = None,
        header: Header = None,
        line_end: End = None,
        format: Format = None,  # noqa: A002
    ) -> Download:
        """Return a sealed link."""
        return await link(info, self.export, Asked(encoding, header, line_end, format))


def _cells(stat: MonthlyStat) -> dict[str, object]:
    return {**stat.row, **{f"{name}_count": stat.row[name] for name in SHOWN}}
