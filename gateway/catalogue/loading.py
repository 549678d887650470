"""Loading a catalogue file: all of it or nothing, idempotent, in the operator's transaction."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update

from gateway.catalogue import registry
from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose
from gateway.catalogue.listing import ExchangeEntry, Known, Listing, ProductEntry, SpecEntry
from gateway.catalogue.models import (
    Exchange,
    ExchangePage,
    InterfaceSpec,
    Licensor,
    Product,
    ProductInterface,
)
from gateway.catalogue.problems import ListingRefused
from gateway.catalogue.reader import faults, read_listing
from gateway.tenancy.operator import OperatorSession

BUILT_IN: Final = "builtin.toml"
_LOCK: Final = 7_331_201_006
_EXCHANGES, _PAGES = Exchange.table(), ExchangePage.table()
_SPECS, _LINKS = InterfaceSpec.table(), ProductInterface.table()
_PRODUCTS = Product.table()


@dataclass(slots=True)
class Loaded:
    """What a load did, by entry: `exchange SSE`, `spec SSE-IS101-CV1.61`, `product …`.

    `changed` says of each field what it was and what it is.
    """

    added: list[str] = field(default_factory=list)
    changed: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    unchanged: int = 0

    def note(self, entry: str, before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> bool:
        """Note what becomes of an entry; return whether it is new or changed."""
        if before is None:
            self.added.append(entry)
            return True
        differ = {
            name: [before[name], value] for name, value in after.items() if before[name] != value
        }
        if differ:
            self.changed[entry] = differ
        else:
            self.unchanged += 1
        return bool(differ)


def built_in() -> bytes:
    """Return the file that comes with the gateway."""
    return files("gateway.catalogue").joinpath(BUILT_IN).read_bytes()


async def load(session: OperatorSession, data: bytes, source: str) -> Loaded:
    """Bring the catalogue to what a file says; what the file does not name stays as it is.

    `source` is the file's name, for the audit log. ListingRefused has all that is wrong.
    """
    listing = read_listing(data)
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    known = await _known(session)
    if problems := faults(listing, known):
        raise ListingRefused(problems)
    done = Loaded()
    for exchange in listing.exchanges:
        await _put_exchange(session, exchange, done)
    await _put_specs(session, listing, known, done)
    for product in listing.products:
        await _put_product(session, product, done)
    if done.added or done.changed:
        await registry.log(
            session,
            "catalogue.load",
            source=source,
            sha256=hashlib.sha256(data).hexdigest(),
            added=done.added,
            changed=done.changed,
        )
    return done


async def found(session: OperatorSession) -> Loaded | None:
    """Load the built-in catalogue where there are no specifications yet; None where there are.

    So an upgrade never undoes what an operator has corrected.
    """
    await session.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    if (await session.execute(select(_SPECS.c.spec_id).limit(1))).first() is not None:
        return None
    return await load(session, built_in(), BUILT_IN)


async def _known(session: OperatorSession) -> Known:
    earlier = _SPECS.alias("earlier")
    rows = await session.execute(
        select(_SPECS, _EXCHANGES.c.code.label("exchange"), earlier.c.key.label("supersedes"))
        .join(_EXCHANGES, _EXCHANGES.c.exchange_id == _SPECS.c.exchange_id)
        .outerjoin(earlier, earlier.c.spec_id == _SPECS.c.supersedes_id)
    )
    specs = {
        row.key: SpecEntry(
            key=row.key,
            exchange=row.exchange,
            code=row.code,
            title=row.title,
            protocols=tuple(Protocol(number) for number in row.protocols),
            purpose=Purpose(row.purpose),
            version=row.version,
            published_on=row.published_on,
            address=row.address,
            supersedes=row.supersedes,
        )
        for row in rows
    }
    codes = (await session.execute(select(_EXCHANGES.c.code))).scalars()
    licensors = (await session.execute(select(Licensor.table().c.code))).scalars()
    return Known(frozenset(codes), frozenset(licensors), specs)


async def _put_exchange(session: OperatorSession, entry: ExchangeEntry, done: Loaded) -> None:
    here = _EXCHANGES.c.code == entry.code
    row = (await session.execute(select(_EXCHANGES).where(here))).mappings().first()
    content = {"name": entry.name, "short_name": entry.short_name, "kind": entry.kind}
    before: dict[str, Any] | None = None
    pages = {page.title: page.address for page in entry.pages}
    if row is None:
        await session.execute(insert(_EXCHANGES).values(code=entry.code, **content))
    else:
        listed = await session.execute(
            select(_PAGES.c.title, _PAGES.c.address).where(
                _PAGES.c.exchange_id == row["exchange_id"]
            )
        )
        held = {one.title: one.address for one in listed}
        before = {
            "name": row["name"],
            "short_name": row["short_name"],
            "kind": ExchangeKind(row["kind"]).name,
            "pages": held,
        }
        await session.execute(update(_EXCHANGES).where(here).values(content))
    number = (await session.execute(select(_EXCHANGES.c.exchange_id).where(here))).scalar_one()
    after = {**content, "kind": entry.kind.name, "pages": pages}
    if done.note(f"exchange {entry.code}", before, after):
        await session.execute(delete(_PAGES).where(_PAGES.c.exchange_id == number))
        for title, address in pages.items():
            await session.execute(
                insert(_PAGES).values(exchange_id=number, title=title, address=address)
            )
    if entry.licensor:
        known = select(Licensor.table().c.code).where(Licensor.table().c.code == entry.code)
        if (await session.execute(known)).first() is None:
            await registry.add_licensor(session, entry.code, entry.name)


async def _put_specs(
    session: OperatorSession, listing: Listing, known: Known, done: Loaded
) -> None:
    exchanges = await _numbers(session, _EXCHANGES.c.code, _EXCHANGES.c.exchange_id)
    changed = []
    for entry in listing.specs:
        held = known.specs.get(entry.key)
        before = None if held is None else _told(held)
        if not done.note(f"spec {entry.key}", before, _told(entry)):
            continue
        changed.append(entry)
        content = {
            "exchange_id": exchanges[entry.exchange],
            "code": entry.code,
            "title": entry.title,
            "protocols": [int(one) for one in entry.protocols],
            "purpose": entry.purpose,
            "version": entry.version,
            "published_on": entry.published_on,
            "address": entry.address,
        }
        if held is None:
            await session.execute(insert(_SPECS).values(key=entry.key, series=entry.key, **content))
        else:
            await session.execute(update(_SPECS).where(_SPECS.c.key == entry.key).values(content))
    if not changed:
        return
    numbers = await _numbers(session, _SPECS.c.key, _SPECS.c.spec_id)
    for entry in changed:
        earlier = None if entry.supersedes is None else numbers[entry.supersedes]
        await session.execute(
            update(_SPECS).where(_SPECS.c.key == entry.key).values(supersedes_id=earlier)
        )
    held_series = await _numbers(session, _SPECS.c.key, _SPECS.c.series)
    for key, series in _series({**known.specs, **{one.key: one for one in listing.specs}}).items():
        if held_series[key] != series:
            await session.execute(update(_SPECS).where(_SPECS.c.key == key).values(series=series))


async def _put_product(session: OperatorSession, entry: ProductEntry, done: Loaded) -> None:
    new = await registry.add_product(session, entry.name, entry.licensor)
    number = await registry.product_id(session, entry.name)
    exchanges = await _numbers(session, _EXCHANGES.c.code, _EXCHANGES.c.exchange_id)
    specs = await _numbers(session, _SPECS.c.key, _SPECS.c.spec_id)
    here = _PRODUCTS.c.product_id == number
    exchange = (await session.execute(select(_PRODUCTS.c.exchange_id).where(here))).scalar()
    rows = await session.execute(select(_LINKS.c.spec_id).where(_LINKS.c.product_id == number))
    keys = {one: key for key, one in specs.items()}
    codes = {one: code for code, one in exchanges.items()}
    before = {
        "exchange": codes.get(exchange),
        "interface_specs": sorted(keys[one] for one in rows.scalars()),
    }
    after = {"exchange": entry.exchange, "interface_specs": sorted(entry.interface_specs)}
    if not done.note(f"product {entry.name}", None if new else before, after):
        return
    await session.execute(
        update(_PRODUCTS)
        .where(here)
        .values(exchange_id=None if entry.exchange is None else exchanges[entry.exchange])
    )
    await session.execute(delete(_LINKS).where(_LINKS.c.product_id == number))
    for key in entry.interface_specs:
        await session.execute(insert(_LINKS).values(product_id=number, spec_id=specs[key]))


async def _numbers(session: OperatorSession, name: Any, number: Any) -> dict[str, Any]:
    found = await session.execute(select(name.label("name"), number.label("number")))
    return {row.name: row.number for row in found}


def _told(entry: SpecEntry) -> dict[str, Any]:
    """Return an edition's content as the audit log has it."""
    return {
        "exchange": entry.exchange,
        "code": entry.code,
        "title": entry.title,
        "protocols": [one.name for one in entry.protocols],
        "purpose": entry.purpose.name,
        "version": entry.version,
        "date": None if entry.published_on is None else entry.published_on.isoformat(),
        "address": entry.address,
        "supersedes": entry.supersedes,
    }


def _series(specs: Mapping[str, SpecEntry]) -> dict[str, str]:
    """Return of each edition the first one that it goes back to."""
    found: dict[str, str] = {}
    for start in specs:
        path = []
        here: str | None = start
        while here is not None and here not in found:
            path.append(here)
            earlier = specs[here].supersedes
            if earlier is None:
                found[here] = here
            here = earlier
        first = found[here if here is not None else path[-1]]
        found.update(dict.fromkeys(path, first))
    return found
