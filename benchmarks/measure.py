"""Measuring: rounds of seconds, medians and ratios, spans inside the gateway, memory, tables."""

import os
import platform
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from unittest.mock import patch

ROUNDS = 3
"""How often everything is measured. Numbers are medians, ratios medians of each round's ratio."""


class Rounds:
    """Seconds by what took them, one for each round."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, what: str, seconds: float) -> None:
        self._seconds[what].append(seconds)

    @contextmanager
    def time(self, what: str) -> Iterator[None]:
        begin = perf_counter()
        yield
        self.add(what, perf_counter() - begin)

    def seconds(self, what: str) -> float:
        return median(self._seconds[what])

    def speed(self, what: str, floor: str) -> float:
        """Return how fast something is against another: 1 is as fast, 0.5 takes twice as long."""
        pairs = zip(self._seconds[floor], self._seconds[what], strict=True)
        return median(of_floor / of_it for of_floor, of_it in pairs)


@dataclass(slots=True)
class Spans:
    """When calls of a function began and ended."""

    begins: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    @property
    def total(self) -> float:
        return sum(self.ends) - sum(self.begins)


@contextmanager
def watching(owner: Any, name: str) -> Iterator[Spans]:
    """Record the calls of an async function, or of a function that opens an async context."""
    spans, original = Spans(), getattr(owner, name)
    opens = hasattr(original, "__wrapped__")  # as @asynccontextmanager leaves it

    @wraps(original)
    async def called(*args: Any, **kwargs: Any) -> Any:
        spans.begins.append(perf_counter())
        try:
            return await original(*args, **kwargs)
        finally:
            spans.ends.append(perf_counter())

    @asynccontextmanager
    async def opened(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        spans.begins.append(perf_counter())
        try:
            async with original(*args, **kwargs) as held:
                yield held
        finally:
            spans.ends.append(perf_counter())

    with patch.object(owner, name, opened if opens else called):
        yield spans


class Memory:
    """How far this process's resident memory grows from here on, in bytes."""

    def __init__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")
        self.start = _status("VmRSS")

    @property
    def peak(self) -> int:
        return _status("VmHWM")

    @property
    def growth(self) -> int:
        return self.peak - self.start


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a table of speeds: what was measured, and against what it is held.

    `handles` says whether it handles every row, so that rows per second mean something.
    """

    text: str
    what: str
    floor: str | None = None
    against: str = ""
    goal: str = ""
    handles: bool = True


def speeds(title: str, rounds: Rounds, rows: int, lines: Iterable[Line]) -> str:
    """Write a table of seconds, rows per second and ratios."""
    return table(
        title,
        ("", "seconds", "k rows/s", "speed", "against", "goal"),
        (
            (
                line.text,
                rounds.seconds(line.what),
                rows / rounds.seconds(line.what) / 1000 if line.handles else None,
                None if line.floor is None else rounds.speed(line.what, line.floor),
                line.against,
                line.goal,
            )
            for line in lines
        ),
    )


Cell = str | float | int | None


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """Write a Markdown table."""
    lines = [f"## {title}", "", _row(columns), _row(["---"] * len(columns))]
    return "\n".join([*lines, *(_row([_cell(cell) for cell in row]) for row in rows), ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case float() if abs(cell) < 0.1:
            return f"{cell:.4f}"
        case float() if abs(cell) < 10:
            return f"{cell:.2f}"
        case float() if abs(cell) < 100:
            return f"{cell:.1f}"
        case float() | int():
            return f"{cell:,.0f}"
        case _:
            return cell


def facts(postgres: str, rows: int, users: int, size: int) -> str:
    """Say when, where and on what; the load shows whether the machine was busy otherwise."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in info if "model name" in line), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return "\n".join(
        (
            f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {os.cpu_count()} cores ({model}), "
            f"{memory:.0f} GB, load {os.getloadavg()[0]:.1f} before the start, "
            f"Linux {platform.release()}, Python {platform.python_version()}, "
            f"embedded {postgres}.",
            "",
            f"{rows:,} lines of {users:,} users, {size / 1e6:.0f} MB in UTF-8. "
            f"Medians of {ROUNDS} rounds; ratios are formed within each round.",
            "",
        )
    )
