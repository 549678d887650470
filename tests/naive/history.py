"""What a roster said from import to import: the naive history of each record.

Written from ``contract.md`` (User.history) only: versions oldest first, the current one last; an
import is a batch, and a record has a new version in a batch that changes its contents.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from .counting import Service

Key = tuple[str, str, str, date]


@dataclass(frozen=True, slots=True)
class Version:
    """What was recorded from one batch on, until another; None until now."""

    line: Service
    since: int
    until: int | None


def histories(rosters: Sequence[tuple[int, Sequence[Service]]]) -> dict[Key, list[Version]]:
    """Every record's versions after the batches, given as (number, the whole roster after it)."""
    found: dict[Key, list[Version]] = {}
    before: dict[Key, Service] = {}
    for batch, roster in rosters:
        after = {line.key(): line for line in roster}
        for key in before.keys() | after.keys():
            if before.get(key) == after.get(key):
                continue
            versions = found.setdefault(key, [])
            if key in before:
                last = versions.pop()
                versions.append(Version(last.line, last.since, batch))
            if key in after:
                versions.append(Version(after[key], batch, None))
        before = after
    return found
