"""Rule packs: how users are counted and what a month costs, by name and version.

The statistical annex is not public, so that each choice is stated here and carried by each figure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RulePack:
    """A named, versioned way of counting."""

    name: str
    version: int
    summary: str

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


SZSE_2010 = RulePack(
    "szse-2010",
    1,
    "A user ID counts once per product in each month on some day of which one of its services "
    "runs; FULL_PRICE if any such service is, else the category of the one that starts last "
    "(on a tie TRIAL, then INTERNAL_FREE, then REGULATORY). New and ended are day-exact, each once "
    "a month. Fee: FULL_PRICE users times the price in force on the first day, not prorated.",
)
