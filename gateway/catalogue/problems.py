"""What can be wrong with a catalogue file, and how it is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.errors import Refused


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault: of which entry, in which field, and what would be accepted."""

    entry: str
    field: str
    reason: str
    reason_zh: str
    accepted: str

    @property
    def where(self) -> str:
        """The entry and the field in it, where there is one."""
        return f"{self.entry}: {self.field}" if self.field else self.entry

    def text(self) -> str:
        """Tell the problem in one line."""
        return f"{self.where}: {self.reason}; accepted: {self.accepted}"

    def json(self) -> dict[str, str]:
        """Return the problem as a JSON object."""
        return {
            "entry": self.entry,
            "field": self.field,
            "reason": self.reason,
            "reasonZh": self.reason_zh,
            "accepted": self.accepted,
        }


class ListingRefused(Refused):
    """A catalogue file that breaks the rules, with all its problems. Nothing of it was taken."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        """Speak of the first problem; `problems` has them all."""
        first, more = problems[0], len(problems) - 1
        also, also_zh = (f" (and {more} more)", f"（另有{more}处）") if more else ("", "")
        super().__init__(
            f"{first.where}: {first.reason}{also}",
            f"{first.where}：{first.reason_zh}{also_zh}",
            argument=first.where,
            accepted=first.accepted,
        )
        self.problems = tuple(problems)
