"""Reading a catalogue file: TOML, every field checked, all faults told together."""

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, NoReturn

from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose
from gateway.catalogue.fields import Fields, shortened
from gateway.catalogue.listing import (
    ExchangeEntry,
    Known,
    Listing,
    Page,
    ProductEntry,
    SpecEntry,
)
from gateway.catalogue.problems import ListingRefused, Problem
from gateway.regulation.layouts import PRODUCT

MOST_BYTES: Final = 4 << 20
_NAME_BELOW, _TITLE_BELOW, _VERSION_BELOW = 128, 256, 32
_TABLES = ("exchanges", "interface_specs", "products")
_ANY = "tables [[exchanges]], [[interface_specs]], [[products]]"


def read_listing(data: bytes) -> Listing:
    """Read a file's bytes; ListingRefused has all that is wrong with them."""
    problems: list[Problem] = []
    whole = Fields(_parsed(data), "file", problems)
    entries = {name: whole.tables(name) for name in _TABLES}
    whole.end()
    found = Listing(
        tuple(_each(entries["exchanges"], "exchanges", "code", _exchange, problems)),
        tuple(_each(entries["interface_specs"], "interface_specs", "key", _spec, problems)),
        tuple(_each(entries["products"], "products", "name", _product, problems)),
    )
    if not any(entries.values()) and not problems:
        problems.append(Problem("file", "", "says nothing", "没有内容", _ANY))
    if not problems:
        problems += _repeated(found)
        problems += faults(found, None)
    if problems:
        raise ListingRefused(problems)
    return found


def faults(listing: Listing, known: Known | None) -> list[Problem]:
    """Return what is wrong with how entries refer to each other.

    `known` is what the database has. Without it, what is not in the file is not looked for.
    """
    specs = (known.specs if known else {}) | {one.key: one for one in listing.specs}
    found = [*_successions(listing, specs), *_forks_and_circles(listing, specs)]
    if known is not None:
        found += _strangers(listing, known, specs)
    return found


def outside(listing: Listing) -> list[str]:
    """Return the keys and codes that entries refer to and the file itself does not have."""
    held = {one.code for one in listing.exchanges} | {one.key for one in listing.specs}
    named = [
        *(one.exchange for one in listing.specs),
        *(one.supersedes for one in listing.specs),
        *(one.exchange for one in listing.products),
        *(key for one in listing.products for key in one.interface_specs),
    ]
    return sorted({one for one in named if one is not None} - held)


def _parsed(data: bytes) -> dict[str, Any]:
    if len(data) > MOST_BYTES:
        _refuse("is too large", "过大", f"a file of {MOST_BYTES >> 20} MiB at most")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        _refuse(f"byte {error.start + 1} is no UTF-8", "不是UTF-8编码", "TOML in UTF-8")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        _refuse(f"is no TOML: {error}", f"不是TOML：{error}", f"TOML with {_ANY}")
    except (RecursionError, ValueError):  # a day such as 2022-02-30 among them
        _refuse(
            "has a value that can't be read", "有无法读取的值", "dates of the calendar, flat tables"
        )


def _refuse(reason: str, reason_zh: str, accepted: str) -> NoReturn:
    raise ListingRefused([Problem("file", "", reason, reason_zh, accepted)])


def _each(
    raw: Iterable[dict[str, Any]],
    kind: str,
    named_by: str,
    read: Any,
    problems: list[Problem],
) -> Iterable[Any]:
    for number, one in enumerate(raw, 1):
        name = one.get(named_by)
        shown = shortened(name) if isinstance(name, str) else f"number {number}"
        fields = Fields(one, f"{kind} {shown}", problems)
        before = len(problems)
        found = read(fields)
        fields.end()
        if len(problems) == before:
            yield found


def _exchange(fields: Fields) -> ExchangeEntry:
    found = ExchangeEntry(
        fields.code("code") or "",
        fields.text("name", _NAME_BELOW) or "",
        fields.text("short_name", _NAME_BELOW, required=False),
        fields.choice("kind", ExchangeKind, ExchangeKind.EXCHANGE) or ExchangeKind.EXCHANGE,
        fields.flag("licensor"),
    )
    pages = []
    for number, raw in enumerate(fields.tables("pages"), 1):
        page = Fields(raw, f"{fields.name} pages {number}", fields.problems)
        pages.append(Page(page.text("title", _TITLE_BELOW) or "", page.address("address") or ""))
        page.end()
    titles = Counter(page.title for page in pages)
    for title in [one for one, times in titles.items() if times > 1 and one]:
        fields.refuse("pages", f"{shortened(title)} stands twice", "重复", "titles that differ")
    return replace(found, pages=tuple(pages))


def _spec(fields: Fields) -> SpecEntry:
    return SpecEntry(
        key=fields.key("key") or "",
        exchange=fields.code("exchange") or "",
        code=fields.key("code", required=False),
        title=fields.text("title", _TITLE_BELOW) or "",
        protocols=fields.choices("protocols", Protocol),
        purpose=fields.choice("purpose", Purpose) or Purpose.REFERENCE,
        version=fields.text("version", _VERSION_BELOW, required=False),
        published_on=fields.day("date"),
        address=fields.address("address") or "",
        supersedes=fields.key("supersedes", required=False),
    )


def _product(fields: Fields) -> ProductEntry:
    return ProductEntry(
        fields.text("name", PRODUCT.below or _NAME_BELOW) or "",
        fields.code("licensor") or "",
        fields.code("exchange", required=False),
        fields.keys("interface_specs"),
    )


def _repeated(listing: Listing) -> Iterable[Problem]:
    for kind, field, names in (
        ("exchanges", "code", [one.code for one in listing.exchanges]),
        ("interface_specs", "key", [one.key for one in listing.specs]),
        ("products", "name", [one.name for one in listing.products]),
    ):
        for name, times in Counter(names).items():
            if times > 1:
                yield Problem(
                    f"{kind} {name}",
                    field,
                    f"stands {times} times",
                    f"出现{times}次",
                    "one entry for each",
                )


def _unknown(entry: str, field: str, value: str, there: Iterable[str]) -> Problem:
    names = sorted(there)
    shown = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    return Problem(
        entry,
        field,
        f"{value} is neither in the file nor in the catalogue",
        f"文件与目录中都没有{value}",
        f"one of {shown}" if names else "an entry that the file has as well",
    )


def _strangers(listing: Listing, known: Known, specs: Mapping[str, SpecEntry]) -> Iterable[Problem]:
    """Yield the references to what is neither in the file nor in the database."""
    exchanges = {one.code for one in listing.exchanges} | known.exchanges
    licensors = {one.code for one in listing.exchanges if one.licensor} | known.licensors
    for spec in listing.specs:
        name = f"interface_specs {spec.key}"
        if spec.exchange not in exchanges:
            yield _unknown(name, "exchange", spec.exchange, exchanges)
        if spec.supersedes is not None and spec.supersedes not in specs:
            there = {key for key, one in specs.items() if one.exchange == spec.exchange}
            yield _unknown(name, "supersedes", spec.supersedes, there - {spec.key})
    for product in listing.products:
        name = f"products {shortened(product.name)}"
        if product.licensor not in licensors:
            yield _unknown(name, "licensor", product.licensor, licensors)
        if product.exchange is not None and product.exchange not in exchanges:
            yield _unknown(name, "exchange", product.exchange, exchanges)
        for key in product.interface_specs:
            if key not in specs:
                yield _unknown(name, "interface_specs", key, specs)


def _successions(listing: Listing, specs: Mapping[str, SpecEntry]) -> Iterable[Problem]:
    """Yield what is wrong between an edition and the one before it, one of them the file's."""
    mine = {one.key for one in listing.specs}
    for spec in specs.values():
        earlier = specs.get(spec.supersedes or "")
        if earlier is not None and not mine.isdisjoint({spec.key, earlier.key}):
            yield from _succession(f"interface_specs {spec.key}", spec, earlier)


def _succession(entry: str, spec: SpecEntry, earlier: SpecEntry) -> Iterable[Problem]:
    if earlier.exchange != spec.exchange:
        yield Problem(
            entry,
            "supersedes",
            f"{earlier.key} is of {earlier.exchange}",
            f"{earlier.key}属于{earlier.exchange}",
            f"an edition of {spec.exchange}",
        )
    if earlier.published_on and spec.published_on and spec.published_on < earlier.published_on:
        yield Problem(
            entry,
            "date",
            f"{spec.published_on} is before {earlier.published_on}, the date of {earlier.key}",
            f"{spec.published_on}早于{earlier.key}的日期{earlier.published_on}",
            f"{earlier.published_on} or later",
        )


def _forks_and_circles(listing: Listing, specs: Mapping[str, SpecEntry]) -> Iterable[Problem]:
    later: dict[str, list[str]] = {}
    for one in specs.values():
        if one.supersedes is not None:
            later.setdefault(one.supersedes, []).append(one.key)
    circling = _circling(specs)
    for spec in listing.specs:
        name = f"interface_specs {spec.key}"
        others = [key for key in later.get(spec.supersedes or "", ()) if key != spec.key]
        if others:
            yield Problem(
                name,
                "supersedes",
                f"{spec.supersedes} is superseded by {others[0]} already",
                f"{spec.supersedes}已被{others[0]}取代",
                f"the current edition, {_latest(others[0], later)}",
            )
        if spec.key in circling:
            yield Problem(
                name,
                "supersedes",
                "the editions supersede each other in a circle",
                "各版本循环取代",
                "an earlier edition",
            )


def _latest(key: str, later: Mapping[str, list[str]]) -> str:
    seen = {key}
    while (after := later.get(key)) and after[0] not in seen:
        key = after[0]
        seen.add(key)
    return key


def _circling(specs: Mapping[str, SpecEntry]) -> set[str]:
    """Return the keys whose earlier editions lead back to themselves."""
    found, done = set[str](), set[str]()
    for start in specs:
        path: dict[str, int] = {}
        here = start
        while here in specs and here not in path and here not in done:
            path[here] = len(path)
            here = specs[here].supersedes or ""
        if here in path:
            found.update([*path][path[here] :])
        done.update(path)
    return found
