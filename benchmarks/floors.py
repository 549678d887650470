"""What PostgreSQL and Python do without the gateway: the floors and the plain ways."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from gateway.regulation.codes import FeeCategory, UsageMode, UserType
from gateway.regulation.layouts import MISSING, SEPARATOR
from gateway.regulation.months import Month

_EXPORTED = (
    "SELECT user_id, user_name, user_type, fee_category, start_date, end_date, {product}, "
    "usage_mode, address, contact, phone FROM service_records r {join} "
    "WHERE vendor_id = {vendor} ORDER BY user_id, vendor_id, record_id"
)
_FETCHED = 5000
_TYPES = {int(code): code.text for code in UserType}
_CATEGORIES = {int(code): code.text for code in FeeCategory}
_MODES = {int(code): code.text for code in UsageMode}

Sink = Callable[[bytes], Awaitable[None]]


def split_lines(path: Path) -> int:
    """Split a file's lines and no more; return how many."""
    number = 0
    with path.open(encoding="utf-8") as file:
        for line in file:
            line.split(SEPARATOR)
            number += 1
    return number


async def dump(postgres: Any, path: Path) -> None:
    """Write all service records, with their types decided, in COPY's text format."""
    await postgres.copy_from_query(
        "SELECT * FROM service_records ORDER BY vendor_id, record_id", output=path
    )


async def make_table(postgres: Any, name: str, *, indexed: bool) -> None:
    """Make a logged table like the service records, with their keys and checks or bare."""
    including = "INCLUDING CONSTRAINTS INCLUDING INDEXES" if indexed else ""
    await postgres.execute(f"CREATE TABLE {name} (LIKE service_records {including})")


async def copy_in(postgres: Any, name: str, path: Path) -> None:
    await postgres.copy_to_table(name, source=path)


async def copy_out(postgres: Any, vendor: int, encoding: str, sink: Sink) -> int:
    """COPY the plain columns, as psql would, in the export's order."""
    query = _EXPORTED.format(product="product_id", join="", vendor=vendor)
    done = await postgres.copy_from_query(query, output=sink, encoding=encoding)
    return int(done.split()[-1])


async def cursor_out(postgres: Any, vendor: int, encoding: str, sink: Sink) -> int:
    """Fetch from a server cursor and join in Python, as one would write it at first."""
    query = _EXPORTED.format(
        product="p.name", join="JOIN products p USING (product_id)", vendor=vendor
    )
    number = 0
    async with postgres.transaction(readonly=True):
        cursor = await postgres.cursor(query)
        while rows := await cursor.fetch(_FETCHED):
            number += len(rows)
            await sink("".join(map(_line, rows)).encode(encoding))
    return number


def _line(row: Any) -> str:
    user, name, kind, category, start, end, product, mode, address, contact, phone = row
    values = (
        user,
        name,
        _TYPES[kind],
        _CATEGORIES[category],
        f"{start:%Y%m%d}",
        MISSING if end.year == 9999 else f"{end:%Y%m%d}",  # how asyncpg reads infinity
        product,
        _MODES[mode],
        address or MISSING,
        contact or MISSING,
        phone or MISSING,
    )
    return SEPARATOR.join(values) + "\n"


async def count_distinct(postgres: Any, vendor: int, months: tuple[Month, ...]) -> None:
    """Count users by category, month after month, as one would write it at first."""
    for month in months:
        await postgres.fetch(
            "SELECT product_id, fee_category, count(DISTINCT user_id) FROM service_records "
            "WHERE vendor_id = $1 AND start_date <= $3 AND end_date >= $2 GROUP BY 1, 2",
            vendor,
            month.first,
            month.last,
        )
