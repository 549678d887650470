"""Fields of a report: what the gateway knows of each, and how one format writes it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.dates import DateForm

_DAY: Final = DateForm("yyyymmdd")
_MONTH: Final = DateForm("yyyymm")
_DECIMALS: Final = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}


class Kind(Enum):
    """How a field's text is read."""

    TEXT = "text"
    CODE = "code"
    DATE = "date"
    MONTH = "month"
    COUNT = "whole number"
    MONEY = "amount"


@dataclass(frozen=True, slots=True)
class Money:
    """How amounts are written: unit in words, number of decimals, the mark before them."""

    unit: str = "yuan"
    decimals: int = 2
    mark: str = "."

    @property
    def accepted(self) -> str:
        """What an amount looks like, in words."""
        after = "" if self.mark == "." else f" after {self.mark}"
        return f"{self.unit} with {_DECIMALS[self.decimals]} decimals{after}"

    def write(self, amount: Decimal) -> str:
        """Write an amount."""
        return f"{amount:.{self.decimals}f}".replace(".", self.mark)


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name in code, its heading, and how a format writes it.

    `below` is its limit: characters, strictly less. `words` are a code's texts where they are not
    the regulation's, the first of each written and all of them read. `missing` stands for a missing
    value; where it is empty, so is the field. `opens` are the texts of an open end, of which the
    first is written.
    """

    name: str
    heading: str
    kind: Kind = Kind.TEXT
    below: int | None = None
    codes: type[Code] | None = None
    required: bool = False
    open_end: bool = False
    words: tuple[tuple[Code, tuple[str, ...]], ...] = ()
    missing: str = "0"
    opens: tuple[str, ...] = ("0",)
    dates: DateForm = field(default=_DAY)
    money: Money = field(default=Money())

    @property
    def texts(self) -> dict[str, Code]:
        """Every text of a code that is read."""
        if self.codes is None:
            return {}
        if not self.words:
            return dict(self.codes.texts())
        return {text: code for code, texts in self.words for text in texts}

    @property
    def written(self) -> dict[Code, str]:
        """The text of each code that is written."""
        if self.words:
            return {code: texts[0] for code, texts in self.words}
        return {code: code.text for code in self.codes or ()}

    @property
    def accepted(self) -> str:  # noqa: PLR0911 (one per kind)
        """What the field takes, in words, for error messages and docs."""
        match self.kind:
            case Kind.CODE:
                return " / ".join(self.texts)
            case Kind.DATE if self.open_end:
                return f"a calendar date {self.dates.pattern}, or {self.opens[0] or 'empty'} (open)"
            case Kind.DATE:
                return f"a calendar date {self.dates.pattern}"
            case Kind.MONTH:
                return self.dates.pattern
            case Kind.MONEY:
                return self.money.accepted
            case Kind.TEXT:
                size = "text" if self.below is None else f"1 to {self.below - 1} characters"
                missing = f"; {self.missing or 'empty'} where missing"
                return size if self.required or self.below is None else size + missing
            case _:
                return str(self.kind.value)

    def text(self, value: Any) -> str:
        """Write a value: of a code or its number, a date (null: open), a month, a number, a text.

        Dates are ISO texts, as JSON has them. Quotation marks are not its matter.
        """
        if self.kind is Kind.DATE and self.open_end and value is None:
            return self.opens[0]
        if value is None:
            return self.missing
        match self.kind:
            case Kind.CODE if self.codes is not None:
                return self.written[self.codes(value)]
            case Kind.DATE | Kind.MONTH:
                return self.dates.write(date.fromisoformat(str(value)))
            case Kind.MONEY:
                return self.money.write(Decimal(str(value)))
            case _:
                return str(value)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind of line, in order."""

    title: str
    fields: tuple[Field, ...]

    @property
    def headings(self) -> tuple[str, ...]:
        """The header line's cells."""
        return tuple(field.heading for field in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names in code, in column order."""
        return tuple(field.name for field in self.fields)


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway knows of a field, whatever the format.

    `needed`: every layout must have its column. `required`: no line may lack its value.
    """

    kind: Kind = Kind.TEXT
    codes: type[Code] | None = None
    needed: bool = True
    required: bool = False
    open_end: bool = False


USER_FIELDS: Final[Mapping[str, Known]] = {
    "user_id": Known(required=True),
    "user_name": Known(),
    "user_type": Known(Kind.CODE, UserType, required=True),
    "fee_category": Known(Kind.CODE, FeeCategory, required=True),
    "start_date": Known(Kind.DATE, required=True),
    "end_date": Known(Kind.DATE, open_end=True),
    "product": Known(required=True),
    "usage_mode": Known(Kind.CODE, UsageMode, required=True),
    "address": Known(needed=False),
    "contact": Known(needed=False),
    "phone": Known(needed=False),
    "service_status": Known(Kind.CODE, ServiceStatus, needed=False, required=True),
}
"""What a line of the user file can tell (一、1)."""

_COUNT: Final = Known(Kind.COUNT, needed=False)
MONTHLY_FIELDS: Final[Mapping[str, Known]] = {
    "vendor_name": Known(needed=False),
    "vendor_code": Known(needed=False),
    "product_name": Known(needed=False),
    "month": Known(Kind.MONTH),
    "full_price_count": _COUNT,
    "regulatory_count": _COUNT,
    "internal_free_count": _COUNT,
    "trial_count": _COUNT,
    "new_count": _COUNT,
    "ended_count": _COUNT,
    "cancelled_count": _COUNT,
    "expired_count": _COUNT,
    "price": Known(Kind.MONEY, needed=False),
    "fee": Known(Kind.MONEY, needed=False),
}
"""What a line of the monthly file can tell (一、2)."""
MONTH_FORM: Final = _MONTH
