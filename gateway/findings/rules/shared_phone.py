"""SHARED_PHONE: one phone number under many IDs."""

from gateway.findings.rule import Rule, RuleCode, Severity
from gateway.findings.rules import shared

RULE = Rule(
    RuleCode.SHARED_PHONE,
    Severity.MEDIUM,
    "One phone number under many IDs",
    "同一电话对应多个用户ID",
    "More user IDs of a product in service in the month have the same 联系电话 than may have. "
    "Missing numbers are no number.",
    "当月在用的同一产品用户中，同一联系电话对应的用户ID过多；缺失的电话不计。",
    "联系电话 (一、1)",
    "{observed} user IDs in service in {month} have the phone number {subject}; {limit} may share "
    "one.",
    "{month}在用的{observed}个用户ID使用同一电话{subject}，上限为{limit}。",
    shared.raised("phone"),
    shared.evidence("phone"),
    shared.listed("phone"),
    shared.THRESHOLDS,
    personal=True,
)
