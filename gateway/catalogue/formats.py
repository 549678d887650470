"""Report formats in the database: adding them, choosing them, and which are in force in a scope."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, ScalarSelect, cast, func, insert, literal, select
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway.catalogue.models import Licensor, Product, StoredFormat, VendorProduct
from gateway.catalogue.registry import licensor_id, log, vendor_id
from gateway.errors import BadInput
from gateway.kinds import TEXT
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import DEFAULT, builtin_formats, read_format
from gateway.regulation.layouts import SZSE_2010
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session

_FORMATS, _LICENSORS, _PRODUCTS = StoredFormat.table(), Licensor.table(), Product.table()


@dataclass(frozen=True, slots=True, eq=False)
class Formats:
    """The formats that a caller can name, and the code of each product's.

    `known` has them by code, then the newest version, and by code and version, as `szse-2010@1`.
    """

    known: Mapping[str, ReportFormat]
    of_products: Mapping[str, str]

    @classmethod
    def of(
        cls, stored: Iterable[tuple[str, int, str]], of_products: Mapping[str, str]
    ) -> "Formats":
        """Take stored versions: code, version, content; those that come with the gateway join."""
        known: dict[str, ReportFormat] = {}
        for code, version, content in sorted(stored, key=lambda one: one[:2]):
            known[code] = known[f"{code}@{version}"] = read_format(
                content, f"{code}@{version}", stored=True
            )
        for one in builtin_formats().values():
            known[one.code] = known[str(one)] = one
        return cls(known, of_products)

    def named(self, code: str) -> ReportFormat:
        """Return a format by its code, or by code and version; BadInput for any other."""
        found = self.known.get(code)
        if found is None:
            raise BadInput(
                f"{code[:64]!r} is not a report format",
                f"“{code[:64]}”不是报表格式",
                argument="format",
                accepted=", ".join(sorted(self.known)),
            )
        return found

    def common(self, products: Iterable[str]) -> ReportFormat | None:
        """Return the format that all of the products have; None where there are several."""
        codes = {self.of_products[name] for name in products if name in self.of_products}
        if len(codes) > 1:
            return None
        return self.known.get(next(iter(codes), DEFAULT))

    def chosen(self, code: str | None, products: Iterable[str]) -> ReportFormat:
        """Return the named format, or that of all the products, or the regulation's."""
        if code is not None:
            return self.named(code)
        return self.common(products) or SZSE_2010


def formats_document(scope: Scope) -> ScalarSelect[Any]:
    """Return what `read_formats` reads: the products in scope, and their formats' versions."""
    product, licensor = _PRODUCTS.alias("its_product"), _LICENSORS.alias("its_licensor")
    here = (
        scope.covers(product),
        licensor.c.licensor_id == product.c.licensor_id,
    )
    products = select(
        func.json_agg(func.json_build_array(product.c.name, licensor.c.report_format))
    ).where(*here)
    stored = select(
        func.json_agg(
            func.json_build_array(
                _FORMATS.c.code, cast(_FORMATS.c.version, TEXT), _FORMATS.c.content
            )
        )
    ).where(_FORMATS.c.code.in_(select(licensor.c.report_format).where(*here)))
    return select(
        func.json_build_object(
            literal("products", TEXT),
            products.scalar_subquery(),
            literal("formats", TEXT),
            stored.scalar_subquery(),
        )
    ).scalar_subquery()


def read_formats(found: Mapping[str, Any]) -> Formats:
    """Read the answer to `formats_document`."""
    stored = ((code, int(version), text) for code, version, text in found["formats"] or ())
    return Formats.of(stored, dict(found["products"] or ()))


async def formats_of(engine: AsyncEngine, scope: Scope) -> Formats:
    """Return the formats of a scope as they are now."""
    async with open_session(engine, scope) as session:
        return read_formats(await session.scalar(select(formats_document(scope))))


async def all_formats(session: OperatorSession) -> Formats:
    """Return every format, and the code of every product's."""
    stored = await session.execute(select(_FORMATS.c.code, _FORMATS.c.version, _FORMATS.c.content))
    products = await session.execute(
        select(_PRODUCTS.c.name, _LICENSORS.c.report_format).where(
            _LICENSORS.c.licensor_id == _PRODUCTS.c.licensor_id
        )
    )
    return Formats.of(
        [(row.code, row.version, row.content) for row in stored],
        {row.name: row.report_format for row in products},
    )


@dataclass(frozen=True, slots=True)
class Reported:
    """What a file of users is: its format, and the products that it may name."""

    report_format: ReportFormat
    products: Sequence[str]


async def reported(
    session: OperatorSession,
    vendor: str,
    licensor: str | None,
    report_format: ReportFormat | None,
) -> Reported:
    """Return what a vendor's file is, by the data company that it is for, or by its format.

    Without either it is for those whose products the vendor holds (for all, before it holds any),
    if they have one format.
    """
    formats = await all_formats(session)
    rows = await _products_of_licensors(session)
    held = await _held(session, [await vendor_id(session, vendor)])
    if licensor is not None:
        await licensor_id(session, licensor)
        codes = {licensor}
    elif report_format is not None:
        codes = {row.code for row in rows if row.report_format == report_format.code}
    else:
        codes = {row.code for row in rows if row.name in held or not held}
        codes = {one.code for one in rows if one.report_format in _formats(rows, codes)}
    used = _formats(rows, codes)
    if report_format is None and licensor is not None and not used:
        used = {await _format_of(session, licensor)}
    if (not codes and rows) or len(used) > 1:
        raise BadInput(
            "which data company the file is for can't be told",
            "无法判断文件报送给哪家信息公司",
            argument="--licensor",
            accepted=" or ".join(sorted({row.code for row in rows})),
        )
    found = report_format or formats.named(next(iter(used), DEFAULT))
    return Reported(found, tuple(row.name for row in rows if row.code in codes))


def _formats(rows: Iterable[Row[Any]], licensors: Collection[str]) -> set[str]:
    return {row.report_format for row in rows if row.code in licensors}


async def products_held(
    session: OperatorSession, vendors: Sequence[str], licensor: str | None = None
) -> Sequence[str]:
    """Return the products that vendors hold, of one data company if it is named."""
    numbers = [await vendor_id(session, one) for one in vendors]
    if licensor is not None:
        await licensor_id(session, licensor)
    held = await _held(session, numbers)
    rows = await _products_of_licensors(session)
    return [row.name for row in rows if row.name in held and licensor in {None, row.code}]


async def _products_of_licensors(session: OperatorSession) -> Sequence[Row[Any]]:
    statement = select(_PRODUCTS.c.name, _LICENSORS.c.code, _LICENSORS.c.report_format).where(
        _LICENSORS.c.licensor_id == _PRODUCTS.c.licensor_id
    )
    return (await session.execute(statement)).all()


async def _held(session: OperatorSession, vendors: Sequence[int]) -> set[str]:
    held = VendorProduct.table()
    statement = select(_PRODUCTS.c.name).where(
        _PRODUCTS.c.product_id == held.c.product_id, held.c.vendor_id.in_(vendors)
    )
    return set((await session.execute(statement)).scalars())


async def _format_of(session: OperatorSession, licensor: str) -> str:
    statement = select(_LICENSORS.c.report_format).where(_LICENSORS.c.code == licensor)
    return str((await session.execute(statement)).scalar_one())


async def add_format(
    session: OperatorSession, content: str, source: str
) -> tuple[ReportFormat, bool]:
    """Store a format's file; return it, and whether it is new. A version's content stays."""
    added = read_format(content, source)
    held = (await all_formats(session)).known
    if added.code in builtin_formats():
        raise BadInput(
            f"{added.code} comes with the gateway",
            f"{added.code}是内置格式",
            argument="code",
            accepted="another code",
        )
    same = held.get(str(added))
    if same == added:
        return added, False
    newest = held.get(added.code)
    if newest is not None and added.version <= newest.version:
        raise BadInput(
            f"{added} is not newer than {newest}, and says something else",
            f"{added}并不比{newest}新，而内容不同",
            argument="version",
            accepted=f"{newest.version + 1} or more",
        )
    await session.execute(
        insert(_FORMATS).values(code=added.code, version=added.version, content=content)
    )
    await log(session, "format.add", code=added.code, version=added.version, sha256=added.digest)
    return added, True
