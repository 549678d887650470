"""报告期: a calendar month. `yyyymm` in files, `yyyy年mm月` on pages, `YYYY-MM` in GraphQL."""

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Self

from gateway.errors import BadInput

WINDOW = 37
"""Months that a vendor must keep queryable: the current one and the 36 before it (reading 10)."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    """A month of the calendar, years 1 to 9999."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the month in which a day lies."""
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str, *, argument: str | None = None) -> Self:
        """Read `YYYY-MM` or `YYYYMM`; raise BadInput for anything else."""
        found = re.fullmatch(r"(\d{4})-?(\d{2})", text, re.ASCII)
        if found is None or found[1] == "0000" or not 1 <= int(found[2]) <= 12:
            raise BadInput(
                f"{text!r} is not a month",
                f"“{text}”不是月份",
                argument=argument,
                accepted="YYYY-MM or YYYYMM, for instance 2026-11",
            )
        return cls(int(found[1]), int(found[2]))

    @property
    def first(self) -> date:
        """The month's first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """The month's last day."""
        if (self.year, self.number) == (9999, 12):
            return date.max
        return self.plus(1).first - timedelta(days=1)

    @property
    def label(self) -> str:
        """`yyyy年mm月`, as pages show it (一、2)."""
        return f"{self.year:04d}年{self.number:02d}月"

    @property
    def compact(self) -> str:
        """`yyyymm`, as files carry it (一、2)."""
        return f"{self.year:04d}{self.number:02d}"

    def plus(self, months: int) -> "Month":
        """Return the month so many months later (earlier, if negative)."""
        years, number = divmod(self.year * 12 + self.number - 1 + months, 12)
        if not 1 <= years <= 9999:
            raise BadInput(
                f"{months} months from {self} is no month of the calendar",
                f"{self}起第{months}个月不在日历之内",
                accepted="0001-01 to 9999-12",
            )
        return Month(years, number + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"
