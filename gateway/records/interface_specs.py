"""Exchanges and interface specifications: public reference data, the same for every caller."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    any_,
    exists,
    false,
    func,
    or_,
    select,
)

from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose
from gateway.catalogue.models import (
    Exchange,
    ExchangePage,
    InterfaceSpec,
    Product,
    ProductInterface,
)
from gateway.kinds import SMALL_INTEGER, SMALL_INTEGERS, TEXT, TEXTS
from gateway.recording import param
from gateway.records.catalogue_lists import document, matches, of_one_table
from gateway.records.keyset import Direction, Key, Page
from gateway.records.rows import json_array
from gateway.tenancy.scope import AnyScope

_EXCHANGES, _PAGES = Exchange.table(), ExchangePage.table()
_SPECS, _LINKS, _PRODUCTS = InterfaceSpec.table(), ProductInterface.table(), Product.table()


@dataclass(frozen=True, slots=True)
class ExchangeFilter:
    """Conditions on exchanges; all that are given hold together."""

    search: str | None = None
    codes: Sequence[str] | None = None
    kinds: Sequence[ExchangeKind] | None = None


@dataclass(frozen=True, slots=True)
class SpecFilter:
    """Conditions on editions; all that are given hold together.

    `exchanges` and `codes` are codes, `keys` the catalogue's own names. Of `protocols`, an edition
    has one at least. `current` is whether no other edition supersedes it.
    """

    search: str | None = None
    exchanges: Sequence[str] | None = None
    codes: Sequence[str] | None = None
    keys: Sequence[str] | None = None
    protocols: Sequence[Protocol] | None = None
    purposes: Sequence[Purpose] | None = None
    current: bool | None = None


def exchange_keys(rows: FromClause) -> list[Key]:
    """Return the order of exchanges: by code."""
    return [Key("CODE", rows.c.code, TEXT, Direction.ASC)]


def spec_keys(rows: FromClause) -> list[Key]:
    """Return the order of editions: by key."""
    return [Key("KEY", rows.c.key, TEXT, Direction.ASC)]


def exchange_page(
    scope: AnyScope, wanted: ExchangeFilter, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return a page of exchanges as JSON."""
    rows = of_one_table(_EXCHANGES, exchange_keys, _of_exchanges(wanted), _exchange, scope, paging)
    return document(rows, _count(_EXCHANGES, _of_exchanges(wanted)) if total else None)


def spec_page(
    scope: AnyScope, wanted: SpecFilter, paging: Page, *, total: bool
) -> ScalarSelect[Any]:
    """Return a page of editions as JSON."""
    rows = of_one_table(_SPECS, spec_keys, _of_specs(wanted), _spec, scope, paging)
    return document(rows, _count(_SPECS, _of_specs(wanted)) if total else None)


def specs_by_key(keys: Sequence[str]) -> ScalarSelect[Any]:
    """Return the editions of some keys as a JSON array."""
    values = _object(_spec(_SPECS))
    return select(json_array(values)).where(_SPECS.c.key == _any(keys)).scalar_subquery()


def products_interfaces(
    scope: AnyScope, names: Sequence[str], current: bool | None
) -> ScalarSelect[Any]:
    """Return the editions by which products in scope are delivered, each with its product's name.

    A product that is delivered by one edition is by all of the series: `current` picks.
    """
    linked = _SPECS.alias("linked")
    held = scope.narrow(products=names)
    later = (
        select(_PRODUCTS.c.name.label("product_name"), *_SPECS.c)
        .distinct()
        .select_from(_LINKS)
        .join(_PRODUCTS, _PRODUCTS.c.product_id == _LINKS.c.product_id)
        .join(linked, linked.c.spec_id == _LINKS.c.spec_id)
        .join(_SPECS, _SPECS.c.series == linked.c.series)
        .where(held.covers(_LINKS), *_of_specs(SpecFilter(current=current)))
        .subquery("delivering")
    )
    values = _object({"of_product": later.c.product_name, **_spec(later)})
    return select(json_array(values, later.c.product_name, later.c.key)).scalar_subquery()


def products_exchanges(scope: AnyScope, names: Sequence[str]) -> ScalarSelect[Any]:
    """Return the exchanges of products in scope that have one, each with its product's name."""
    held = scope.narrow(products=names)
    values = _object({"of_product": _PRODUCTS.c.name, **_exchange(_EXCHANGES)})
    return (
        select(json_array(values))
        .select_from(_PRODUCTS)
        .join(_EXCHANGES, _EXCHANGES.c.exchange_id == _PRODUCTS.c.exchange_id)
        .where(held.covers(_PRODUCTS))
        .scalar_subquery()
    )


def _of_exchanges(wanted: ExchangeFilter) -> Iterator[ColumnElement[bool]]:
    columns = _EXCHANGES.c
    yield from matches(wanted.search, [columns.code], [columns.name, columns.short_name])
    if wanted.codes is not None:
        yield columns.code == _any(wanted.codes)
    if wanted.kinds is not None:
        yield columns.kind == _any_number(wanted.kinds)


def _of_specs(wanted: SpecFilter) -> Iterator[ColumnElement[bool]]:
    columns = _SPECS.c
    yield from matches(wanted.search, [columns.key, columns.code], [columns.title])
    if wanted.exchanges is not None:
        published = _EXCHANGES.alias("publisher")
        yield exists(
            select(published.c.exchange_id).where(
                published.c.exchange_id == columns.exchange_id,
                published.c.code == _any(wanted.exchanges),
            )
        )
    if wanted.codes is not None:
        yield columns.code == _any(wanted.codes)
    if wanted.keys is not None:
        yield columns.key == _any(wanted.keys)
    if wanted.protocols is not None:
        yield or_(
            *(
                param(int(one), SMALL_INTEGER) == any_(columns.protocols)
                for one in wanted.protocols
            ),
            false(),
        )
    if wanted.purposes is not None:
        yield columns.purpose == _any_number(wanted.purposes)
    if wanted.current is not None:
        superseded = _superseded(_SPECS)
        yield ~superseded if wanted.current else superseded


def _superseded(row: FromClause) -> ColumnElement[bool]:
    later = _SPECS.alias("later")
    return exists(select(later.c.spec_id).where(later.c.supersedes_id == row.c.spec_id))


def _exchange(row: FromClause) -> dict[str, ColumnElement[Any]]:
    listed = (
        select(
            json_array(
                func.json_build_object("title", _PAGES.c.title, "address", _PAGES.c.address),
                _PAGES.c.title,
            )
        )
        .where(_PAGES.c.exchange_id == row.c.exchange_id)
        .correlate(row)
        .scalar_subquery()
    )
    return {
        "code": row.c.code,
        "name": row.c.name,
        "short_name": row.c.short_name,
        "kind": row.c.kind,
        "pages": listed,
    }


def _spec(row: FromClause) -> dict[str, ColumnElement[Any]]:
    publisher, earlier = _EXCHANGES.alias("publishing"), _SPECS.alias("earlier")
    later = _SPECS.alias("newer")
    exchange = (
        select(_object(_exchange(publisher)))
        .where(publisher.c.exchange_id == row.c.exchange_id)
        .correlate(row)
        .scalar_subquery()
    )
    names = ("key", "code", "title", "protocols", "purpose", "version", "published_on", "address")
    return {
        **{name: row.c[name] for name in names},
        "exchange": exchange,
        "supersedes": select(earlier.c.key)
        .where(earlier.c.spec_id == row.c.supersedes_id)
        .correlate(row)
        .scalar_subquery(),
        "superseded_by": select(later.c.key)
        .where(later.c.supersedes_id == row.c.spec_id)
        .correlate(row)
        .scalar_subquery(),
    }


def _object(values: dict[str, ColumnElement[Any]]) -> ColumnElement[Any]:
    return func.json_build_object(*(part for pair in values.items() for part in pair))


def _count(table: FromClause, where: Iterable[ColumnElement[bool]]) -> ScalarSelect[int]:
    return select(func.count()).select_from(table).where(*where).scalar_subquery()


def _any(texts: Sequence[str]) -> ColumnElement[Any]:
    return any_(param(list(texts), TEXTS))


def _any_number(numbers: Iterable[int]) -> ColumnElement[Any]:
    return any_(param([int(one) for one in numbers], SMALL_INTEGERS))
