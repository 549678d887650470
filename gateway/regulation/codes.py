"""The regulation's code lists. A member's number is what the database stores and sorts by."""

from enum import IntEnum
from typing import Self


class Code(IntEnum):
    """A code with the text that files and pages show."""

    text: str

    def __new__(cls, number: int, text: str = "") -> Self:
        """Make a member of a number and its text; afterwards, `Code(number)` finds the member."""
        member = int.__new__(cls, number)
        member._value_ = number
        member.text = text
        return member

    @classmethod
    def texts(cls) -> dict[str, Self]:
        """Return text -> code, in the order of the numbers."""
        return {member.text: member for member in cls}


class UserType(Code):
    """用户类型 (一、1)."""

    INDIVIDUAL = 1, "个人"
    INSTITUTION = 2, "机构"


class FeeCategory(Code):
    """优惠标记 (一、1); among the free ones a later one wins a tie."""

    FULL_PRICE = 1, "全价用户"
    REGULATORY = 2, "监管用户"
    INTERNAL_FREE = 3, "内部免费用户"
    TRIAL = 4, "试用用户"


class ServiceStatus(Code):
    """服务状态 (一、1)."""

    ACTIVE = 1, "正常使用"
    EXPIRED = 2, "服务到期"
    CANCELLED = 3, "用户注销"


class UsageMode(Code):
    """信息使用方式 (一、1)."""

    WEB = 1, "Web"
    TERMINAL = 2, "终端"
    DATAFEED = 3, "datafeed"
