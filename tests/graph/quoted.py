"""A small market with all that JSON has to escape: in names, in texts, in the names of files.

Time stands still in it and download links are sealed without chance, so that one question has one
answer, byte by byte.
"""

import base64
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.fernet import Fernet
from graphing import TODAY, Caller, calling
from market import ENHANCED, PRODUCTS, operator
from naive.corners import Import, imports
from operations.material import Material, gather
from rosters import random_files, settle

from gateway.app.house import House
from gateway.catalogue import loading, registry
from gateway.config import clock
from gateway.exports import links
from gateway.http import errors
from gateway.intake.problems import BadLine
from gateway.intake.run import Mode, import_users
from gateway.intake.sources import FileSource
from gateway.tenancy.operator import open_operator

COMPANY, QUOTE = "the data company", "QUOTE"
NAME, PRODUCT = '"Quote" \\ 公司 \U0001f600 O\'Neil', '"P\\q" \U00020bb7'
FILE = 'a"b\\c \U0001f600\t\x01\n\x7f\u2028.txt'


@dataclass
class Quoted:
    """The house, who can ask, and what there is to ask for."""

    house: House
    callers: dict[str, Caller]
    material: Material


async def quoted(house: House, place: Path, stack: AsyncExitStack) -> Quoted:
    """Three vendors after three rounds of imports, and a fourth whose names are full of quotes."""
    world = await settle(house, place, stack, random_files("both paths", TODAY, 9, 3))
    async with open_operator(house.operator, "test") as session:
        await loading.load(session, loading.built_in(), loading.BUILT_IN)
        await registry.add_product(session, PRODUCT, "SZSEINFO")
        await registry.add_vendor(session, QUOTE, NAME)
        await registry.set_price(session, ENHANCED, Decimal("0.07"), date(2025, 9, 1), None)
        await registry.set_price(session, PRODUCT, Decimal("333.30"), date(2020, 1, 1), None)
    for one in imports(random.Random("quoted"), TODAY, (*PRODUCTS, PRODUCT), 12, 4):
        await _take(house, one, place / FILE)
    quote = await stack.enter_async_context(calling(house, vendor=QUOTE))
    callers = {COMPANY: world.company, "ALPHA": world.vendors["ALPHA"], QUOTE: quote}
    return Quoted(house, callers, await gather(callers, COMPANY, TODAY))


async def _take(house: House, one: Import, path: Path) -> None:
    lines = [
        line.line() if line.status is None else f"{line.line()}||{line.status}"
        for line in one.lines
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    mode = Mode.SNAPSHOT if one.snapshot else Mode.DELTA
    scope, bad = await operator(house), list[BadLine]()
    await import_users(house.service, scope, QUOTE, FileSource(path), mode, report=bad.append)
    assert not bad


class _SameSeal(Fernet):
    """A seal without its random part: one ticket has one token."""

    def encrypt_at_time(self, data: bytes, current_time: int) -> bytes:
        return self._encrypt_from_parts(data, current_time, bytes(16))


@contextmanager
def without_chance(house: House) -> Iterator[None]:
    """Stop the clock; seal links and number incidents alike each time."""
    instant = datetime.now(UTC)

    class Stopped(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return instant.astimezone(tz)

    seal = _SameSeal(base64.urlsafe_b64encode(bytes(32)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "datetime", Stopped)
        patch.setattr(links, "datetime", Stopped)
        patch.setattr(house.links, "_fernet", seal)
        patch.setattr(errors, "secrets", SimpleNamespace(token_hex=lambda size: "0" * 2 * size))
        yield
