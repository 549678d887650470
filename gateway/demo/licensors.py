"""The data companies of the fictitious market, and what some of its vendors deal in besides.

The companies are real, their products, prices and vendors here are made up.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gateway.demo.market import BASIC, ENHANCED, VENDORS, DemoVendor


@dataclass(frozen=True, slots=True)
class DemoLicensor:
    """A data company (信息公司) and its products; ``price`` in yuan per user and month.

    ``rosters`` are vendors with the products of this company that they deal in. Prices of
    SZSE Info's products change over the years: see `gateway.demo.market.prices`.
    """

    code: str
    english: str
    name: str
    products: tuple[str, ...]
    rosters: tuple[DemoVendor, ...]
    price: Decimal | None = None


_NAMES: Final = {vendor.code: vendor.name for vendor in VENDORS}


def _of(product: str, **sizes: int) -> tuple[DemoVendor, ...]:
    return tuple(DemoVendor(code, _NAMES[code], (product,), size) for code, size in sizes.items())


_SSE, _HK, _JP, _BJ = "上证Level-1行情", "港股实时行情", "日股实时行情", "北证行情"

LICENSORS: Final[tuple[DemoLicensor, ...]] = (
    DemoLicensor("SZSEINFO", "SZSE Info", "深圳证券信息有限公司", (ENHANCED, BASIC), VENDORS),
    DemoLicensor(
        *("SSEINFO", "SSE Info", "上证所信息网络有限公司", (_SSE,)),
        _of(_SSE, LYSX=2_400, QHXX=1_500, FLZX=700),
        Decimal("5.55"),
    ),
    DemoLicensor(
        *("HKEX", "HKEX", "香港交易所", (_HK,)),
        _of(_HK, LYSX=900, YTJR=600),
        Decimal("33.30"),
    ),
    DemoLicensor("JPX", "JPX", "日本交易所集团", (_JP,), _of(_JP, HLTX=300), Decimal("44.40")),
    DemoLicensor(
        *("BSE", "BSE", "北京证券交易所", (_BJ,)), _of(_BJ, LYSX=400, MZCJ=300), Decimal("1.11")
    ),
)
