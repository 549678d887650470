"""The graph's enumerations: the regulation's codes and the choices of lists and files."""

import strawberry

from gateway.catalogue.codes import ExchangeKind, Protocol, Purpose
from gateway.delimited.encoding import TextEncoding
from gateway.delimited.writer import LineEnd
from gateway.findings.rule import RuleCode as FindingRuleCode
from gateway.findings.rule import Severity as FindingSeverity
from gateway.records.changes import ChangeKind
from gateway.records.filters import DateJoin
from gateway.records.keyset import Direction
from gateway.records.movements import Movement
from gateway.records.order import UserOrderField
from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.fees import FeeLineKind
from gateway.statistics.grid import MonthlyStatOrderField
from gateway.statistics.totals import TotalKey


def _described(codes: type[Code], heading: str) -> None:
    texts = ", ".join(f"{code.name} {code.text}" for code in codes)
    strawberry.enum(codes, description=f"{heading}: {texts}.")


_described(UserType, "用户类型")
_described(FeeCategory, "优惠标记")
_described(ServiceStatus, "服务状态")
_described(UsageMode, "信息使用方式")
_described(ExchangeKind, "An exchange or its data company")
_described(Protocol, "How an interface's messages or files travel")
_described(Purpose, "What an interface is for")
strawberry.enum(
    ChangeKind,
    description="What an import did to a line: ADDED it, CHANGED what it says, or SUPERSEDED it: "
    "a snapshot lacked it.",
)
strawberry.enum(
    FeeLineKind,
    description="A line of a fee: USERS what users cost, one line a tier; PRORATION what is less "
    "for days without service; MINIMUM what is missing to the minimum; ROUNDING to whole fen.",
)
strawberry.enum(DateJoin, description="How startBefore and endAfter combine.")
strawberry.enum(Direction, description="Sort direction.")
strawberry.enum(
    Movement,
    description="Users who come or go in a month: NEW newCount, ENDED endedCount, and of these "
    "CANCELLED cancelledCount, EXPIRED expiredCount.",
)
strawberry.enum(
    FindingRuleCode,
    name="FindingRuleCode",
    description="The rules by which findings are raised; docs/findings.md defines each.",
)
strawberry.enum(FindingSeverity, name="FindingSeverity", description="How much a finding matters.")
strawberry.enum(UserOrderField, description="What users can be sorted by.")
strawberry.enum(MonthlyStatOrderField, description="What monthly figures can be sorted by.")
strawberry.enum(TotalKey, description="What monthly figures are summed by.")
strawberry.enum(TextEncoding, description="Encoding of a file.")
strawberry.enum(LineEnd, description="Line end of a file.")

__all__ = [
    "ChangeKind",
    "DateJoin",
    "Direction",
    "ExchangeKind",
    "FeeCategory",
    "FeeLineKind",
    "FindingRuleCode",
    "FindingSeverity",
    "LineEnd",
    "MonthlyStatOrderField",
    "Movement",
    "Protocol",
    "Purpose",
    "ServiceStatus",
    "TextEncoding",
    "TotalKey",
    "UsageMode",
    "UserOrderField",
    "UserType",
]
