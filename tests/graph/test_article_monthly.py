"""一、2 每月用户统计信息: each sentence about monthly queries and their lists, with a test of its own.

The regulation's words stand in the docstrings. The roster is worked out by hand.
"""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from graphing import TODAY, Caller, calling
from market import BASIC, ENHANCED, PRICE, found, load

from gateway.app.house import House
from gateway.regulation.months import Month

NOW = Month.of(TODAY)
M = NOW.plus(-3)
COUNTS = "fullPriceCount regulatoryCount internalFreeCount trialCount newCount endedCount"


def days(month: Month, first: int, last: int) -> tuple[date, date]:
    return date(month.year, month.number, first), date(month.year, month.number, last)


OPEN = (date(2001, 1, 1), None)
OVER = (date(2001, 1, 1), M.first - timedelta(days=1))
COMING = (M.last + timedelta(days=1), None)
ROSTER: list[tuple[str, str, tuple[date, date | None], str]] = [
    # user, category, service, status
    ("full", "全价用户", OPEN, "正常使用"),
    ("full, new", "全价用户", (M.first, None), "正常使用"),
    ("full, was on trial", "试用用户", (M.first, M.first), "服务到期"),
    ("full, was on trial", "全价用户", (M.first + timedelta(days=1), None), "正常使用"),
    ("regulator", "监管用户", OPEN, "正常使用"),
    ("regulator, on one day", "监管用户", days(M, 10, 10), "服务到期"),
    ("staff", "内部免费用户", OPEN, "正常使用"),
    ("trial", "试用用户", days(M, 2, 20), "用户注销"),
    ("trial, from before", "试用用户", (OVER[0], M.last), "服务到期"),
    ("not any more", "全价用户", OVER, "用户注销"),
    ("not yet", "全价用户", COMING, "正常使用"),
]


def line(user: str, category: str, service: tuple[date, date | None], status: str) -> str:
    start, end = (f"{day:%Y%m%d}" if day else "0" for day in service)
    start = start.rjust(8, "0")
    return f"{user}||甲||个人||{category}||{start}||{end}||{ENHANCED}||Web||0||0||0||{status}"


@pytest.fixture
async def caller(house: House, tmp_path: Path) -> AsyncIterator[Caller]:
    await found(house, "A", "B")
    await load(house, "A", [line(*one) for one in ROSTER], tmp_path)
    async with calling(house, vendor="A") as made:
        yield made


async def of_month(caller: Caller, fields: str) -> Any:
    """Ask for fields of the month that was worked out."""
    query = f'{{ monthlyStats(from: "{M}", to: "{M}") {{ nodes {{ {fields} }} }} }}'
    (node,) = (await caller.ask(query))["monthlyStats"]["nodes"]
    return node


async def behind(caller: Caller, figure: str, argument: str) -> set[str]:
    """Return the users behind a figure, each in one line, as many as the figure says."""
    fields = f"{figure} users({argument}) {{ totalCount nodes {{ userId userName startDate }} }}"
    node = await of_month(caller, fields)
    users = [one["userId"] for one in node["users"]["nodes"]]
    assert len(set(users)) == len(users) == node["users"]["totalCount"] == node[figure]
    return set(users)


async def test_three_years(caller: Caller) -> None:
    """可查询过去 3年内每个月的用户统计信息."""
    nodes = (await caller.ask("{ monthlyStats { nodes { month } } }"))["monthlyStats"]["nodes"]
    assert [node["month"] for node in nodes] == [str(NOW.plus(-i)) for i in range(37)]
    assert nodes[36]["month"] == f"{NOW.year - 3:04d}-{NOW.number:02d}"


async def test_what_it_includes(caller: Caller) -> None:
    """包括如下内容: 日期, 四类用户数, 当月应付用户使用费总计; 当月开通服务的用户数, 当月终止服务的用户数."""
    assert await of_month(caller, f"label {COUNTS} fee") == {
        "label": M.label,
        "fullPriceCount": 3,
        "regulatoryCount": 2,
        "internalFreeCount": 1,
        "trialCount": 2,
        "newCount": 4,
        "endedCount": 3,
        "fee": str(3 * PRICE),
    }


async def test_the_date(caller: Caller) -> None:
    """日期：格式为 yyyy年 mm月。当月指日期对应的月份."""
    node = await of_month(caller, "label month users { nodes { userId } }")
    assert node["label"] == f"{M.year:04d}年{M.number:02d}月"
    assert node["month"] == f"{M.year:04d}-{M.number:02d}"
    users = {one["userId"] for one in node["users"]["nodes"]}
    assert users == {user for user, *_ in ROSTER} - {"not any more", "not yet"}


async def test_full_price_users_and_their_list(caller: Caller) -> None:
    """当月全价终端用户数（可相应查询的对应用户详细信息列表）: 当月获得…服务并按照…标准定额收取用户使用费的用户数."""
    users = await behind(caller, "fullPriceCount", "category: FULL_PRICE")
    assert users == {"full", "full, new", "full, was on trial"}


async def test_regulatory_users_and_their_list(caller: Caller) -> None:
    """当月监管用户数（可相应查询的对应用户详细信息列表）: 证监会及其直属证券监管机构等单位的用户，以及其他特定用户."""
    users = await behind(caller, "regulatoryCount", "category: REGULATORY")
    assert users == {"regulator", "regulator, on one day"}


async def test_internal_free_users_and_their_list(caller: Caller) -> None:
    """当月内部免费用户数（可相应查询的对应用户详细信息列表）: 供公司内部员工使用的免费用户数."""
    assert await behind(caller, "internalFreeCount", "category: INTERNAL_FREE") == {"staff"}


async def test_trial_users_and_their_list(caller: Caller) -> None:
    """当月试用用户数（可相应查询的对应用户详细信息列表）: 在产品推广期内的临时免费用户."""
    users = await behind(caller, "trialCount", "category: TRIAL")
    assert users == {"trial", "trial, from before"}


async def test_the_lists_are_of_detailed_information(caller: Caller) -> None:
    """对应用户详细信息列表: the fields of 1、用户详细信息, one line as in the download."""
    fields = """users(category: INTERNAL_FREE) { delimited download { url } nodes {
        userId userName userType startDate endDate product { name } contact address phone
        feeCategory serviceStatus usageMode } }"""
    users = (await of_month(caller, fields))["users"]
    assert users["nodes"] == [
        {
            "userId": "staff",
            "userName": "甲",
            "userType": "INDIVIDUAL",
            "startDate": "2001-01-01",
            "endDate": None,
            "product": {"name": ENHANCED},
            "contact": None,
            "address": None,
            "phone": None,
            "feeCategory": "INTERNAL_FREE",
            "serviceStatus": "ACTIVE",
            "usageMode": "WEB",
        }
    ]
    (staff,) = (line(*one) for one in ROSTER if one[0] == "staff")
    assert users["delimited"] == staff.removesuffix("||正常使用") + "\n"
    assert await caller.follow(users["download"]["url"]) == users["delimited"]


async def test_the_fee(caller: Caller) -> None:
    """当月应付用户使用费总计：根据当月的各项用户数情况合计的乙方应向信息公司支付的用户使用费总额."""
    query = f"""{{ monthlyStats(from: "{M}", to: "{M}") {{ nodes {{ fullPriceCount price fee }}
        totals(by: []) {{ fullPriceCount fee unpriced }} }} }}"""
    page = (await caller.ask(query))["monthlyStats"]
    (node,), (total,) = page["nodes"], page["totals"]
    assert Decimal(node["fee"]) == node["fullPriceCount"] * Decimal(node["price"])
    assert total == {
        "fullPriceCount": node["fullPriceCount"],
        "fee": node["fee"],
        "unpriced": 0,
    }


async def test_the_new_and_their_list(caller: Caller) -> None:
    """当月开通服务的用户数：当月开始获得…服务的用户数."""
    users = await behind(caller, "newCount", "movement: NEW")
    assert users == {"full, new", "full, was on trial", "regulator, on one day", "trial"}


async def test_the_ended_and_their_list(caller: Caller) -> None:
    """当月终止服务的用户数：当月结束获得…服务的用户数; 服务状态: 服务到期、用户注销."""
    expired = await behind(caller, "expiredCount", "movement: EXPIRED")
    cancelled = await behind(caller, "cancelledCount", "movement: CANCELLED")
    assert expired == {"regulator, on one day", "trial, from before"}
    assert cancelled == {"trial"}
    assert await behind(caller, "endedCount", "movement: ENDED") == expired | cancelled


async def test_by_year_or_by_month(caller: Caller) -> None:
    """提供按年或月查询的方式."""

    async def months(arguments: str) -> list[str]:
        query = f"""{{ monthlyStats({arguments}, orderBy: {{field: MONTH}}) {{ nodes {{ month }}
            totals(by: [YEAR]) {{ year fullPriceCount }} }} }}"""
        page = (await caller.ask(query))["monthlyStats"]
        shown = [node["month"] for node in page["nodes"]]
        assert [one["year"] for one in page["totals"]] == sorted({int(one[:4]) for one in shown})
        return shown

    last_year = NOW.year - 1
    assert await months(f"year: {last_year}") == [
        f"{last_year:04d}-{number:02d}" for number in range(1, 13)
    ]
    assert await months(f'from: "{M}", to: "{M}"') == [str(M)]
    assert await months(f'from: "{M}", to: "{NOW}"') == [str(M.plus(i)) for i in range(4)]


async def test_the_download(caller: Caller) -> None:
    """并提供对应的电子数据下载: 公司名字||报告期||…||当月应缴纳的用户使用费; 日期格式为 yyyymm."""
    query = f"""{{ monthlyStats(from: "{M}", to: "{M}", products: ["{ENHANCED}"]) {{ delimited
        file: download {{ url }} headed: download(header: true) {{ url }} }} }}"""
    page = (await caller.ask(query))["monthlyStats"]
    expected = f"A信息有限公司||{M.year:04d}{M.number:02d}||3||2||1||2||4||3||{3 * PRICE}\n"
    assert page["delimited"] == expected
    assert await caller.follow(page["file"]["url"]) == expected
    header = (
        "公司名字||报告期||当月全价客户数||当月监管用户数||当月内部免费用户数||当月试用用户数||"
        "当月新开通客户数||当月注销客户数||当月应缴纳的用户使用费\n"
    )
    assert await caller.follow(page["headed"]["url"]) == header + expected


async def test_no_name_contains_the_separator(house: House) -> None:
    """信息商应当确保系统中使用的各种名称中不包含“||”符号."""
    with pytest.raises(Exception, match=r"\|\|"):
        await found(house, "A||")


@pytest.mark.usefixtures("caller")
async def test_the_licensor_sees_all_vendors_with_totals(house: House, tmp_path: Path) -> None:
    """信息商…依据本规定向信息公司提供电子信息: per vendor, per product, and over all vendors."""
    other = line(*ROSTER[0]).replace(ENHANCED, BASIC)
    await load(house, "B", [other], tmp_path)
    query = f"""{{ monthlyStats(from: "{M}", to: "{M}") {{
        nodes {{ vendor {{ code }} product {{ name }} fullPriceCount }}
        vendors: totals(by: [VENDOR]) {{ vendor {{ code }} fullPriceCount fee unpriced }}
        products: totals(by: [PRODUCT]) {{ product {{ name }} fullPriceCount }}
        all: totals(by: []) {{ fullPriceCount fee unpriced }} }} }}"""
    async with calling(house) as licensor:
        page = (await licensor.ask(query))["monthlyStats"]
    fee = str(3 * PRICE)
    assert page == {
        "nodes": [
            {"vendor": {"code": "A"}, "product": {"name": ENHANCED}, "fullPriceCount": 3},
            {"vendor": {"code": "B"}, "product": {"name": BASIC}, "fullPriceCount": 1},
        ],
        "vendors": [
            {"vendor": {"code": "A"}, "fullPriceCount": 3, "fee": fee, "unpriced": 0},
            {"vendor": {"code": "B"}, "fullPriceCount": 1, "fee": None, "unpriced": 1},
        ],
        "products": [
            {"product": {"name": BASIC}, "fullPriceCount": 1},
            {"product": {"name": ENHANCED}, "fullPriceCount": 3},
        ],
        "all": [{"fullPriceCount": 4, "fee": fee, "unpriced": 1}],
    }
