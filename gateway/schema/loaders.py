"""What single objects ask for, gathered: one statement for all vendors or products of an answer."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from functools import cache
from typing import Any

from sqlalchemy import ScalarSelect
from strawberry.dataloader import DataLoader

from gateway.records.interface_specs import (
    products_exchanges,
    products_interfaces,
    specs_by_key,
)
from gateway.records.licences import LicenceFilter, vendors_licences
from gateway.tenancy.scope import Scope

Row = dict[str, Any]
Ask = Callable[[ScalarSelect[Any]], Awaitable[Any]]


class Loaders:
    """One operation's loaders, by vendor code, product name or key."""

    def __init__(self, scope: Scope, ask: Ask) -> None:
        """Take the scope, and how to ask one statement."""
        self._scope, self._ask = scope, ask
        self.licences = cache(self._licences)
        self.interfaces = cache(self._interfaces)
        self.exchanges = DataLoader(load_fn=self._exchanges)
        self.specs = DataLoader(load_fn=self._specs)

    def _licences(self, valid_on: date | None) -> DataLoader[str, list[Row]]:
        """Return the loader of vendors' licences, in force on a day if given."""
        wanted = LicenceFilter(valid_on=valid_on)

        async def load(codes: list[str]) -> list[list[Row]]:
            rows = await self._ask(vendors_licences(self._scope, codes, wanted))
            return _grouped(rows, "vendor_code", codes)

        return DataLoader(load_fn=load)

    def _interfaces(self, current: bool | None) -> DataLoader[str, list[Row]]:
        """Return the loader of the editions by which products are delivered."""

        async def load(names: list[str]) -> list[list[Row]]:
            rows = await self._ask(products_interfaces(self._scope, names, current))
            return _grouped(rows, "of_product", names)

        return DataLoader(load_fn=load)

    async def _exchanges(self, names: list[str]) -> list[Row | None]:
        rows = await self._ask(products_exchanges(self._scope, names))
        found = {row["of_product"]: row for row in rows}
        return [found.get(name) for name in names]

    async def _specs(self, keys: list[str]) -> list[Row | None]:
        found = {row["key"]: row for row in await self._ask(specs_by_key(keys))}
        return [found.get(key) for key in keys]


def _grouped(rows: Sequence[Row], by: str, names: Sequence[str]) -> list[list[Row]]:
    found: dict[str, list[Row]] = {name: [] for name in names}
    for row in rows:
        found[row[by]].append(row)
    return [found[name] for name in names]
