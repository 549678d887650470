"""SHARED_NAME: one registered name under many IDs."""

from gateway.findings.rule import Rule, RuleCode, Severity
from gateway.findings.rules import shared

RULE = Rule(
    RuleCode.SHARED_NAME,
    Severity.LOW,
    "One name under many IDs",
    "同一名称对应多个用户ID",
    "More user IDs of a product in service in the month have the same 用户名称 than the greater of "
    "a fixed number and a share of all users counted in it: common names are common. Missing names "
    "are no name.",
    "当月在用的同一产品用户中，同一用户名称对应的用户ID过多；上限为固定人数与用户总数一定比例中的较大者，缺失的名称不计。",
    "用户名称 (一、1)",
    "{observed} user IDs in service in {month} have the name {subject}; {limit} may share one.",
    "{month}在用的{observed}个用户ID使用同一名称{subject}，上限为{limit}。",
    shared.raised("user_name"),
    shared.evidence("user_name"),
    shared.listed("user_name"),
    shared.THRESHOLDS,
    personal=True,
)
