"""The layouts and codes, pinned to the regulation's own tables."""

import pytest

from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.layouts import (
    DOWNLOAD,
    DOWNLOAD_WITH_STATUS,
    MISSING,
    MONTHLY,
    OPEN_ENDS,
    QUERY,
    Kind,
    Layout,
)
from gateway.regulation.text import fault

LAYOUTS = pytest.mark.parametrize("layout", [DOWNLOAD, DOWNLOAD_WITH_STATUS, QUERY, MONTHLY])


def test_the_limits_of_the_download() -> None:
    """Its table: field, limit. Dates have 8 digits, and the usage mode has no limit."""
    assert {field.heading: field.below for field in DOWNLOAD.fields} == {
        "用户ID": 32,
        "用户名称": 64,
        "用户类型": 8,
        "用户优惠标记": 8,
        "服务起始日": None,
        "服务终止日": None,
        "信息产品": 32,
        "信息使用方式": None,
        "联系地址": 128,
        "联系人": 64,
        "联系电话": 15,
    }


def test_the_monthly_download() -> None:
    """Nine fields: 公司名字||报告期||当月全价客户数||…||当月应缴纳的用户使用费."""
    assert MONTHLY.headings == (
        "公司名字",
        "报告期",
        "当月全价客户数",
        "当月监管用户数",
        "当月内部免费用户数",
        "当月试用用户数",
        "当月新开通客户数",
        "当月注销客户数",
        "当月应缴纳的用户使用费",
    )
    kinds = [field.kind for field in MONTHLY.fields]
    assert kinds == [Kind.TEXT, Kind.MONTH, *[Kind.COUNT] * 6, Kind.MONEY]


@pytest.mark.parametrize(
    ("codes", "texts"),
    [
        (UserType, {"个人": 1, "机构": 2}),
        (FeeCategory, {"全价用户": 1, "监管用户": 2, "内部免费用户": 3, "试用用户": 4}),
        (ServiceStatus, {"正常使用": 1, "服务到期": 2, "用户注销": 3}),
        (UsageMode, {"Web": 1, "终端": 2, "datafeed": 3}),
    ],
)
def test_the_codes_and_the_numbers_that_are_stored(
    codes: type[Code], texts: dict[str, int]
) -> None:
    assert codes.texts() == texts
    assert list(codes.texts()) == list(texts)
    assert [code.text for code in codes] == list(texts)


@LAYOUTS
def test_every_code_fits_its_own_limit(layout: Layout) -> None:
    for field in layout.fields:
        assert (field.codes is not None) == (field.kind is Kind.CODE)
        for text in field.codes.texts() if field.codes else ():
            assert fault(text, field.below) is None


@LAYOUTS
def test_names_and_headings_are_unique_and_can_stand_in_a_line(layout: Layout) -> None:
    assert len(set(layout.names)) == len(set(layout.headings)) == len(layout.fields)
    assert not any(map(fault, layout.headings))


def test_the_same_field_has_the_same_rules_in_every_layout() -> None:
    download = {field.name: field for field in DOWNLOAD_WITH_STATUS.fields}
    for field in QUERY.fields:
        same = download[field.name]
        assert (field.kind, field.below, field.codes, field.required, field.open_end) == (
            same.kind,
            same.below,
            same.codes,
            same.required,
            same.open_end,
        )


def test_what_stands_for_a_missing_value_and_for_an_open_end() -> None:
    assert MISSING == "0"
    assert {"0", "00000000", "99991231"} == OPEN_ENDS


def test_only_the_end_date_may_be_open_and_only_these_may_be_missing() -> None:
    assert [field.name for field in DOWNLOAD.fields if field.open_end] == ["end_date"]
    optional = [field.name for field in DOWNLOAD_WITH_STATUS.fields if not field.required]
    assert optional == ["user_name", "end_date", "address", "contact", "phone"]


@pytest.mark.parametrize(
    ("heading", "accepted"),
    [
        ("用户ID", "1 to 31 characters"),
        ("联系地址", "1 to 127 characters; 0 where missing"),
        ("用户类型", "个人 / 机构"),
        ("信息使用方式", "Web / 终端 / datafeed"),
        ("服务起始日", "a calendar date yyyymmdd"),
        ("服务终止日", "a calendar date yyyymmdd, or 0 (open)"),
    ],
)
def test_what_a_field_accepts_in_words(heading: str, accepted: str) -> None:
    (field,) = (field for field in DOWNLOAD.fields if field.heading == heading)
    assert field.accepted == accepted


def test_what_the_monthly_fields_hold_in_words() -> None:
    assert [field.accepted for field in MONTHLY.fields[1:3]] == ["yyyymm", "whole number"]
    assert MONTHLY.fields[-1].accepted == "yuan with two decimals"


@pytest.mark.parametrize(
    ("value", "below", "broken"),
    [
        ("", None, "EMPTY"),
        ("中" * 31, 32, None),
        ("中" * 32, 32, "TOO_LONG"),
        ("𠮷" * 31, 32, None),
        ("𠮷" * 32, 32, "TOO_LONG"),
        ("中" * 1000, None, None),
        ("a|b", None, None),
        ("a||b", None, "SEPARATOR_INSIDE"),
        ("|", None, "BAR_AT_EDGE"),
        ("a\x1fb", None, "CONTROL_CHARACTER"),
        ("a\x7fb", None, "CONTROL_CHARACTER"),
        ("a\x80b", None, "CONTROL_CHARACTER"),
        ("a\x9fb", None, "CONTROL_CHARACTER"),
        ("a\xa0b", None, None),
        ("a\u2027b", None, None),
        ("a\u2028b", None, "CONTROL_CHARACTER"),
        ("a\u2029b", None, "CONTROL_CHARACTER"),
        ("a\u202ab", None, None),
    ],
)
def test_what_a_value_may_not_contain(value: str, below: int | None, broken: str | None) -> None:
    assert fault(value, below) == broken
