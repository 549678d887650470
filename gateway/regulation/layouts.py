"""The regulation's layouts: those of its files, which are data, and that of its screen.

Source: 深交所网络版增强行情经营监督与管理的电子接口规定 (2010-03), articles 一、1 and 一、2.
A limit counts characters, strictly less than (reading 1).
"""

from typing import Final

from gateway.regulation.codes import FeeCategory, ServiceStatus
from gateway.regulation.fields import Field, Kind, Layout
from gateway.regulation.formats.format import ReportFormat
from gateway.regulation.formats.reading import DEFAULT, builtin_formats

SZSE_2010: Final[ReportFormat] = builtin_formats()[DEFAULT]
"""The format of the regulation's files: `formats/szse-2010.toml`."""

DOWNLOAD: Final = SZSE_2010.users
"""一、1, the download: category fourth, address before contact, no service status."""
DOWNLOAD_WITH_STATUS: Final = SZSE_2010.imports[-1]
"""The download with the service status last: import takes it beside the statutory form."""
MONTHLY: Final = SZSE_2010.monthly
"""一、2, the download. One file is for one product; no fee is `0`, a fee of nothing `0.00`."""
SEPARATOR: Final = SZSE_2010.separator
MISSING: Final = SZSE_2010.missing
"""What stands for a missing value: no field may be empty (reading 3)."""

_FIELDS: Final = {field.name: field for field in DOWNLOAD_WITH_STATUS.fields}
USER_ID: Final = _FIELDS["user_id"]
PRODUCT: Final = _FIELDS["product"]
OPEN_ENDS: Final = frozenset(_FIELDS["end_date"].opens)
"""What import accepts as an open end date; export writes the first form only (reading 3)."""

QUERY: Final = Layout(
    "用户详细信息查询",
    (
        _FIELDS["user_id"],
        _FIELDS["user_name"],
        _FIELDS["user_type"],
        Field("start_date", "起始日期", Kind.DATE, required=True),
        Field("end_date", "终止日期", Kind.DATE, open_end=True),
        Field("product", "产品名称", below=32, required=True),
        _FIELDS["contact"],
        _FIELDS["address"],
        _FIELDS["phone"],
        Field("fee_category", "优惠标记", Kind.CODE, 8, FeeCategory, required=True),
        Field("service_status", "服务状态", Kind.CODE, codes=ServiceStatus, required=True),
    ),
)
"""一、1, the screen: contact before address, category tenth, no usage mode."""

__all__ = [
    "DOWNLOAD",
    "DOWNLOAD_WITH_STATUS",
    "MISSING",
    "MONTHLY",
    "OPEN_ENDS",
    "PRODUCT",
    "QUERY",
    "SEPARATOR",
    "SZSE_2010",
    "Field",
    "Kind",
    "Layout",
]
