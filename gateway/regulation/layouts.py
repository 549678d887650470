"""The statutory layouts, written once: check, import, export, GraphQL and docs all read them.

Source: 深交所网络版增强行情经营监督与管理的电子接口规定 (2010-03), articles 一、1 and 一、2.
A limit counts characters, strictly less than (reading 1).
"""

from dataclasses import dataclass
from enum import Enum

from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType

SEPARATOR = "||"
MISSING = "0"
"""What stands for a missing value: no field may be empty (reading 3)."""
OPEN_ENDS = frozenset({MISSING, "00000000", "99991231"})
"""What import accepts as an open end date; export writes the first form only (reading 3)."""


class Kind(Enum):
    """How a field's text is read."""

    TEXT = "text"
    CODE = "code"
    DATE = "yyyymmdd"
    MONTH = "yyyymm"
    COUNT = "whole number"
    MONEY = "yuan with two decimals"


@dataclass(frozen=True, slots=True)
class Field:
    """One column: its name in code, its heading, its limit in characters and its kind."""

    name: str
    heading: str
    kind: Kind = Kind.TEXT
    below: int | None = None
    codes: type[Code] | None = None
    required: bool = False
    open_end: bool = False

    @property
    def accepted(self) -> str:
        """What the field takes, in words, for error messages and docs."""
        match self.kind:
            case Kind.CODE if self.codes is not None:
                return " / ".join(self.codes.texts())
            case Kind.DATE if self.open_end:
                return "a calendar date yyyymmdd, or 0 (open)"
            case Kind.DATE:
                return "a calendar date yyyymmdd"
            case Kind.TEXT if self.below is not None:
                missing = "" if self.required else "; 0 where missing"
                return f"1 to {self.below - 1} characters{missing}"
            case _:
                return str(self.kind.value)


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one kind of line, in order."""

    title: str
    fields: tuple[Field, ...]

    @property
    def headings(self) -> tuple[str, ...]:
        """The header line's cells."""
        return tuple(field.heading for field in self.fields)

    @property
    def names(self) -> tuple[str, ...]:
        """The fields' names in code, in column order."""
        return tuple(field.name for field in self.fields)


USER_ID = Field("user_id", "用户ID", below=32, required=True)
USER_NAME = Field("user_name", "用户名称", below=64)
USER_TYPE = Field("user_type", "用户类型", Kind.CODE, 8, UserType, required=True)
CATEGORY = Field("fee_category", "用户优惠标记", Kind.CODE, 8, FeeCategory, required=True)
START = Field("start_date", "服务起始日", Kind.DATE, required=True)
END = Field("end_date", "服务终止日", Kind.DATE, open_end=True)
PRODUCT = Field("product", "信息产品", below=32, required=True)
MODE = Field("usage_mode", "信息使用方式", Kind.CODE, codes=UsageMode, required=True)
ADDRESS = Field("address", "联系地址", below=128)
CONTACT = Field("contact", "联系人", below=64)
PHONE = Field("phone", "联系电话", below=15)
STATUS = Field("service_status", "服务状态", Kind.CODE, codes=ServiceStatus, required=True)

DOWNLOAD = Layout(
    "用户详细信息下载",
    (
        USER_ID,
        USER_NAME,
        USER_TYPE,
        CATEGORY,
        START,
        END,
        PRODUCT,
        MODE,
        ADDRESS,
        CONTACT,
        PHONE,
    ),
)
"""一、1, the download: category fourth, address before contact, no service status."""

DOWNLOAD_WITH_STATUS = Layout("用户详细信息下载（含服务状态）", (*DOWNLOAD.fields, STATUS))
"""The download with the service status last: import takes it beside the statutory form."""

QUERY = Layout(
    "用户详细信息查询",
    (
        USER_ID,
        USER_NAME,
        USER_TYPE,
        Field("start_date", "起始日期", Kind.DATE, required=True),
        Field("end_date", "终止日期", Kind.DATE, open_end=True),
        Field("product", "产品名称", below=32, required=True),
        CONTACT,
        ADDRESS,
        PHONE,
        Field("fee_category", "优惠标记", Kind.CODE, 8, FeeCategory, required=True),
        STATUS,
    ),
)
"""一、1, the screen: contact before address, category tenth, no usage mode."""

MONTHLY = Layout(
    "每月用户统计信息下载",
    (
        Field("vendor_name", "公司名字"),
        Field("month", "报告期", Kind.MONTH),
        Field("full_price_count", "当月全价客户数", Kind.COUNT),
        Field("regulatory_count", "当月监管用户数", Kind.COUNT),
        Field("internal_free_count", "当月内部免费用户数", Kind.COUNT),
        Field("trial_count", "当月试用用户数", Kind.COUNT),
        Field("new_count", "当月新开通客户数", Kind.COUNT),
        Field("ended_count", "当月注销客户数", Kind.COUNT),
        Field("fee", "当月应缴纳的用户使用费", Kind.MONEY),
    ),
)
"""一、2, the download. One file is for one product; no fee is `0`, a fee of nothing `0.00`."""
