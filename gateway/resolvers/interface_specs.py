"""`exchanges` and `interfaceSpecs`: public reference data, the same for every caller."""

from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose
from gateway.records.interface_specs import (
    ExchangeFilter,
    SpecFilter,
    exchange_page,
    spec_page,
)
from gateway.records.keyset import Page
from gateway.schema.context import Info
from gateway.schema.exchange import Exchange, ExchangeConnection
from gateway.schema.interface_spec import InterfaceSpec, InterfaceSpecConnection
from gateway.schema.pages import Slice
from gateway.schema.selection import selected


async def exchanges(
    info: Info,
    search: str | None = None,
    codes: list[str] | None = None,
    kinds: list[ExchangeKind] | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> ExchangeConnection:
    """Return a page of the exchanges and data companies, by code."""
    context, paging = info.context, Page.asked(first, after, last, before)
    total = "totalCount" in selected(info).names()
    wanted = ExchangeFilter(search, codes, kinds)
    found = await context.ask(exchange_page(context.scope, wanted, paging, total=total))
    return ExchangeConnection(part=Slice.of(found, ["CODE ASC"], paging))


async def interface_specs(
    info: Info,
    search: str | None = None,
    exchanges: list[str] | None = None,
    codes: list[str] | None = None,
    keys: list[str] | None = None,
    protocols: list[Protocol] | None = None,
    purposes: list[Purpose] | None = None,
    current: bool | None = None,
    first: int | None = None,
    after: str | None = None,
    last: int | None = None,
    before: str | None = None,
) -> InterfaceSpecConnection:
    """Return a page of the editions of interface specifications, by key."""
    context, paging = info.context, Page.asked(first, after, last, before)
    total = "totalCount" in selected(info).names()
    wanted = SpecFilter(search, exchanges, codes, keys, protocols, purposes, current)
    found = await context.ask(spec_page(context.scope, wanted, paging, total=total))
    return InterfaceSpecConnection(part=Slice.of(found, ["KEY ASC"], paging))


async def exchange(info: Info, code: str) -> Exchange | None:
    """Return one exchange; null for any other code."""
    wanted, scope = ExchangeFilter(codes=[code]), info.context.scope
    found = await info.context.ask(exchange_page(scope, wanted, Page(first=1), total=False))
    return next((Exchange(row=row) for row in found["rows"]), None)


async def interface_spec(info: Info, key: str) -> InterfaceSpec | None:
    """Return one edition; null for any other key."""
    wanted, scope = SpecFilter(keys=[key]), info.context.scope
    found = await info.context.ask(spec_page(scope, wanted, Page(first=1), total=False))
    return next((InterfaceSpec(row=row) for row in found["rows"]), None)
