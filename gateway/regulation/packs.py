"""Rule packs: how users are counted and what a month costs, by name and version.

The statistical annex is not public, so that each choice is stated here and carried by each figure.
`docs/rule-packs.md` defines every option, with examples.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

from gateway.errors import BadInput


class Counted(Enum):
    """On which days a unit has to be in service to count."""

    ANY_DAY = "any-day"
    LAST_DAY = "last-day"
    PEAK_DAY = "peak-day"
    AVERAGE = "average"


class EndDate(Enum):
    """Whether a service still runs on its end date."""

    INCLUSIVE = "inclusive"
    EXCLUSIVE = "exclusive"


class Unit(Enum):
    """What counts once."""

    ID = "id"
    ID_AND_MODE = "id-and-mode"
    ID_ACROSS_PRODUCTS = "id-across-products"


class OnChange(Enum):
    """As what a unit counts that has services of several categories in the month."""

    FEE_LIABLE = "fee-liable"
    LAST = "last"
    LONGEST = "longest"
    EACH = "each"


class Proration(Enum):
    """Whether a unit pays for the month or for its days."""

    NONE = "none"
    DAILY = "daily"


class Tiers(Enum):
    """What the price book's volume tiers do."""

    NONE = "none"
    GRADUATED = "graduated"
    WHOLE_VOLUME = "whole-volume"


class Unapproved(Enum):
    """What becomes of a free service without valid written approval (书面认可)."""

    STAYS_FREE = "stays-free"
    FULL_PRICE = "full-price"
    REJECTED = "rejected"


E = TypeVar("E", bound=Enum)
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_REFERENCE = re.compile(r"([a-z0-9][a-z0-9-]{0,31})(?:@([1-9][0-9]{0,3}))?")
_HIGHEST = 9999
_LONGEST_SUMMARY = 500


@dataclass(frozen=True, slots=True)
class RulePack:
    """A named, versioned way of counting. The default of each option is that of `szse-2010`."""

    name: str
    version: int
    summary: str = ""
    counted: Counted = Counted.ANY_DAY
    end_date: EndDate = EndDate.INCLUSIVE
    unit: Unit = Unit.ID
    on_change: OnChange = OnChange.FEE_LIABLE
    proration: Proration = Proration.NONE
    tiers: Tiers = Tiers.NONE
    unapproved: Unapproved = Unapproved.STAYS_FREE

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def options(self) -> dict[str, str]:
        """The options by the names that a definition has."""
        return {name: getattr(self, attribute).value for name, (attribute, _) in _OPTIONS.items()}

    @property
    def counts_whole(self) -> bool:
        """Whether counts are whole numbers, with a list of users behind each."""
        return self.counted is not Counted.AVERAGE

    @classmethod
    def read(cls, definition: Mapping[str, Any]) -> "RulePack":
        """Read `name`, `version`, `summary` and `options`; BadInput for anything else."""
        unknown = set(definition) - {"name", "version", "summary", "options"}
        if unknown:
            raise _bad(min(unknown), "is not known", "未知", "name, version, summary, options")
        name, version = definition.get("name"), definition.get("version")
        summary, options = definition.get("summary", ""), definition.get("options", {})
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            accepted = "1 to 32 of a-z, 0-9 and -, the first not -"
            raise _bad("name", f"{name!r} is not a rule pack's name", "不是规则包名称", accepted)
        if type(version) is not int or not 1 <= version <= _HIGHEST:
            raise _bad("version", f"{version!r} is not a version", "不是版本号", f"1 to {_HIGHEST}")
        if (
            not isinstance(summary, str)
            or len(summary) > _LONGEST_SUMMARY
            or any(not one.isprintable() for one in summary)
        ):
            accepted = f"one line, {_LONGEST_SUMMARY} characters at most"
            raise _bad("summary", "is no summary", "不是摘要", accepted)
        if not isinstance(options, Mapping):
            raise _bad("options", "is not a table", "不是表", "[options]")
        found: dict[str, Any] = {}
        for option, value in options.items():
            if option not in _OPTIONS:
                raise _bad(f"options.{option}", "is not known", "未知", ", ".join(_OPTIONS))
            attribute, kind = _OPTIONS[option]
            found[attribute] = _option(option, kind, value)
        pack = cls(name, version, summary, **found)
        if pack.counted is Counted.AVERAGE and pack.proration is Proration.DAILY:
            raise _bad(
                "options.proration",
                "an average over the days is prorated already",
                "日均数已按日折算",
                "none, with counted = average",
            )
        return pack

    @classmethod
    def parse(cls, text: str) -> "RulePack":
        """Read a definition in TOML; BadInput says what is wrong, where, and what is accepted."""
        try:
            definition = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(
                f"not TOML: {error}",
                f"不是TOML：{error}",
                argument="FILE",
                accepted='name = "…", version = 1 and a table [options]',
            ) from error
        return cls.read(definition)


_OPTIONS: Mapping[str, tuple[str, type[Enum]]] = {
    "counted": ("counted", Counted),
    "end-date": ("end_date", EndDate),
    "unit": ("unit", Unit),
    "category-on-change": ("on_change", OnChange),
    "proration": ("proration", Proration),
    "tiers": ("tiers", Tiers),
    "unapproved": ("unapproved", Unapproved),
}
"""An option's name in a definition: its attribute and what it can be."""


def reference(text: str) -> tuple[str, int | None]:
    """Read a rule pack's name, with or without its version: `NAME` or `NAME@VERSION`."""
    found = _REFERENCE.fullmatch(text)
    if found is None:
        raise BadInput(
            f"{text!r} is not a rule pack",
            f"“{text}”不是规则包",
            argument="rulePack",
            accepted="NAME or NAME@VERSION, for instance szse-2010@1",
        )
    return found[1], None if found[2] is None else int(found[2])


def _option(name: str, kind: type[E], value: Any) -> E:
    if not isinstance(value, str) or value not in {one.value for one in kind}:
        accepted = ", ".join(one.value for one in kind)
        raise _bad(f"options.{name}", f"{value!r} is not accepted", "不可接受", accepted)
    return kind(value)


def _bad(argument: str, en: str, zh: str, accepted: str) -> BadInput:
    return BadInput(f"{argument}: {en}", f"{argument}：{zh}", argument=argument, accepted=accepted)


SZSE_2010 = RulePack(
    "szse-2010",
    1,
    "A user ID counts once per product in each month on some day of which one of its services "
    "runs; FULL_PRICE if any such service is, else the category of the one that starts last "
    "(on a tie TRIAL, then INTERNAL_FREE, then REGULATORY). New and ended are day-exact, each once "
    "a month. Fee: FULL_PRICE users times the price in force on the first day, not prorated.",
)
