"""How files write dates and months: `yyyy`, `mm` and `dd` in any order, with marks between."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

_MARKS: Final = "-/. 年月日"
_PARTS: Final = {"yyyy": "(?P<year>[0-9]{4})", "mm": "(?P<mm>[0-9]{2})", "dd": "(?P<dd>[0-9]{2})"}
_TOKEN: Final = re.compile(f"yyyy|mm|dd|[{_MARKS}]")
AS_THEY_STAND: Final = frozenset({"yyyymmdd", "yyyy-mm-dd"})
"""What PostgreSQL reads as a date without being told how."""


@dataclass(frozen=True, slots=True)
class DateForm:
    """A way to write dates, or months: then without a day."""

    pattern: str

    @classmethod
    def of(cls, pattern: str, *parts: str) -> Self | None:
        """Return the form of a pattern that has each part once, and nothing else but marks."""
        tokens = _TOKEN.findall(pattern)
        named = [token for token in tokens if token in _PARTS]
        if (
            "".join(tokens) != pattern
            or sorted(named) != sorted(parts)
            or pattern.strip() != pattern
        ):
            return None
        return cls(pattern)

    @property
    def sorts(self) -> bool:
        """Whether earlier dates are lesser texts."""
        return re.sub(f"[{_MARKS}]", "", self.pattern) in {"yyyymmdd", "yyyymm"}

    @property
    def sql(self) -> str:
        """The pattern as PostgreSQL's `to_char` and `to_date` take it."""
        return "".join(
            part.upper() if part in _PARTS else f'"{part}"' if not part.isascii() else part
            for part in _TOKEN.findall(self.pattern)
        )

    def read(self, text: str) -> date | None:
        """Return the date that a text writes; None for any other text."""
        pattern = "".join(
            _PARTS.get(part, re.escape(part)) for part in _TOKEN.findall(self.pattern)
        )
        found = re.fullmatch(pattern, text, re.ASCII)
        if found is None:
            return None
        parts = found.groupdict()
        try:
            return date(int(parts["year"]), int(parts["mm"]), int(parts.get("dd", "1")))
        except ValueError:
            return None

    def write(self, day: date) -> str:
        """Write a date."""
        parts = {"yyyy": f"{day.year:04d}", "mm": f"{day.month:02d}", "dd": f"{day.day:02d}"}
        return "".join(parts.get(part, part) for part in _TOKEN.findall(self.pattern))
