"""Article 一、1 用户详细信息, sentence by sentence: what it asks of queries, fields, sorts, lists.

Each test quotes its sentence and holds the gateway to it by a roster small enough to check by hand.
What the sentences leave open is settled by the readings, which tests/intake/test_readings.py holds
for files; that all conditions and orders combine is held by test_every_query.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from graphing import TODAY, Caller, calling
from market import BASIC, ENHANCED, found, load

from gateway.app.house import House
from gateway.regulation.codes import Code, FeeCategory, ServiceStatus, UsageMode, UserType
from gateway.regulation.layouts import QUERY

# By ID: b-full, c-gov, d-staff, szse-1, szse-1's second line, SZSE-1, x-szse
ROSTER = f"""\
szse-1||深圳某某证券有限公司||机构||全价用户||20250101||0||{ENHANCED}||终端||深圳||张三||0755-1||正常使用
szse-1||深圳某某证券有限公司||机构||试用用户||20241201||20241231||{BASIC}||Web||0||0||0||服务到期
SZSE-1||李四||个人||试用用户||20250301||20250331||{ENHANCED}||Web||0||0||0||用户注销
x-szse||王五||个人||内部免费用户||20250201||20301231||{BASIC}||datafeed||北京||0||0||正常使用
c-gov||证监会szse办公室||机构||监管用户||20240601||20240630||{ENHANCED}||终端||0||赵六||0||服务到期
b-full||张三丰||个人||全价用户||20240101||20250115||{BASIC}||Web||0||0||0||用户注销
"""
LINES = "userId product { name } startDate"
LIST = f"""query ($filter: UserFilter, $orderBy: [UserOrder!]) {{
    users(filter: $filter, orderBy: $orderBy) {{ nodes {{ {LINES} }} }} }}"""


@asynccontextmanager
async def asking(house: House, place: Path, text: str = ROSTER) -> AsyncIterator[Caller]:
    await found(house, "A")
    await load(house, "A", text.encode(), place)
    async with calling(house, vendor="A") as caller:
        yield caller


async def ids(caller: Caller, **condition: Any) -> list[str]:
    users = await caller.ask(LIST, filter=condition)
    return [node["userId"] for node in users["users"]["nodes"]]


async def test_three_years(house: House, tmp_path: Path) -> None:
    """可查询过去3年内每个用户的详细信息"""
    first = TODAY.replace(day=1)
    days = [first]
    while len(days) <= 36:
        days.append((days[-1] - timedelta(days=1)).replace(day=1))
    lines = [
        f"u{day:%Y%m}||甲||个人||全价用户||{day:%Y%m%d}||{day:%Y%m%d}||{ENHANCED}||Web||0||0||0\n"
        for day in days
    ]
    async with asking(house, tmp_path, "".join(lines)) as caller:
        for day in days:
            user = [f"u{day:%Y%m}"]
            assert await ids(caller, countedIn=f"{day:%Y-%m}") == user
            text = day.isoformat()
            assert await ids(caller, startFrom=text, startTo=text) == user
            assert await ids(caller, userId={"equals": user[0]}) == user


async def test_the_eleven_fields(house: House, tmp_path: Path) -> None:
    """格式如下：用户ID 用户名称 用户类型 起始日期 终止日期 产品名称 联系人 联系地址 联系电话 优惠标记
    服务状态"""
    fields = (
        *("userId", "userName", "userType", "startDate", "endDate", "product { name }"),
        *("contact", "address", "phone", "feeCategory", "serviceStatus"),
    )
    assert len(fields) == len(QUERY.fields) == 11
    query = f"""{{ users(filter: {{startFrom: "2025-01-01", startTo: "2025-01-01"}}) {{
        nodes {{ {" ".join(fields)} }} }} }}"""
    async with asking(house, tmp_path) as caller:
        (node,) = (await caller.ask(query))["users"]["nodes"]
        types = await caller.ask('{ __type(name: "User") { fields { name description } } }')
    assert list(node.values()) == [
        *("szse-1", "深圳某某证券有限公司", "INSTITUTION", "2025-01-01", None, {"name": ENHANCED}),
        *("张三", "深圳", "0755-1", "FULL_PRICE", "ACTIVE"),
    ]
    told = {one["name"]: one["description"] for one in types["__type"]["fields"]}
    for field, heading in zip(fields, QUERY.headings, strict=True):
        assert told[field.split()[0]].startswith(heading)


async def test_a_user_is_its_id(house: House, tmp_path: Path) -> None:
    """用户ID：用户在系统中的唯一标识，用户使用该标识登录系统；"""
    query = """{ users { nodes { userId startDate otherServices { userId startDate } } } }"""
    async with asking(house, tmp_path) as caller:
        nodes = (await caller.ask(query))["users"]["nodes"]
    others = {
        (node["userId"], node["startDate"]): [
            (one["userId"], one["startDate"]) for one in node["otherServices"]
        ]
        for node in nodes
    }
    # One user's two lines know each other; an ID in other case is another user.
    two = [("szse-1", "2024-12-01"), ("szse-1", "2025-01-01")]
    assert others[two[0]] == [two[1]]
    assert others[two[1]] == [two[0]]
    assert others["SZSE-1", "2025-03-01"] == []


@pytest.mark.parametrize(
    "name", ["深圳证券信息有限公司", "欧阳·娜娜", "\U00020bb7\u3000野 家", "O'Neil & Söhne"]
)
async def test_a_name_is_as_registered(house: House, tmp_path: Path, name: str) -> None:
    """用户名称：用户向乙方申报的注册名称"""
    line = f"u||{name}||个人||全价用户||20250101||0||{ENHANCED}||Web||0||0||0\n"
    async with asking(house, tmp_path, line) as caller:
        users = await caller.ask(
            "query ($name: String) { users(filter: {userName: {equals: $name}}) "
            "{ nodes { userName } } }",
            name=name,
        )
    assert users["users"]["nodes"] == [{"userName": name}]


CODES: tuple[tuple[type[Code], str, dict[str, tuple[str, list[str]]]], ...] = (
    (
        UserType,
        "userTypes",
        {
            "INDIVIDUAL": ("个人", ["SZSE-1", "b-full", "x-szse"]),
            "INSTITUTION": ("机构", ["c-gov", "szse-1", "szse-1"]),
        },
    ),
    (
        FeeCategory,
        "feeCategories",
        {
            "FULL_PRICE": ("全价用户", ["b-full", "szse-1"]),
            "REGULATORY": ("监管用户", ["c-gov"]),
            "INTERNAL_FREE": ("内部免费用户", ["x-szse"]),
            "TRIAL": ("试用用户", ["SZSE-1", "szse-1"]),
        },
    ),
    (
        ServiceStatus,
        "serviceStatuses",
        {
            "ACTIVE": ("正常使用", ["szse-1", "x-szse"]),
            "EXPIRED": ("服务到期", ["c-gov", "szse-1"]),
            "CANCELLED": ("用户注销", ["SZSE-1", "b-full"]),
        },
    ),
    (
        UsageMode,
        "usageModes",
        {
            "WEB": ("Web", ["SZSE-1", "b-full", "szse-1"]),
            "TERMINAL": ("终端", ["c-gov", "szse-1"]),
            "DATAFEED": ("datafeed", ["x-szse"]),
        },
    ),
)


@pytest.mark.parametrize(
    ("codes", "field", "members"),
    CODES,
    ids=(
        "用户类型：个人或机构；",
        "用户优惠标记分为全价用户、监管用户、内部免费用户和试用用户四类",
        "服务状态：包括正常使用、服务到期、用户注销等状态。",
        "信息使用方式 Web\\终端\\datafeed",
    ),
)
async def test_codes(
    house: House,
    tmp_path: Path,
    codes: type[Code],
    field: str,
    members: dict[str, tuple[str, list[str]]],
) -> None:
    """用户类型：个人或机构 …… 四类 …… 等状态: these codes and no others, each to be asked for."""
    assert {code.name: code.text for code in codes} == {
        name: text for name, (text, _) in members.items()
    }
    async with asking(house, tmp_path) as caller:
        kind = await caller.ask(
            "query ($name: String!) { __type(name: $name) { enumValues { name } } }",
            name=codes.__name__,
        )
        assert {one["name"] for one in kind["__type"]["enumValues"]} == set(members)
        for name, (_, expected) in members.items():
            assert await ids(caller, **{field: [name]}) == expected


async def test_a_status_that_is_not_reported_follows_the_dates(
    house: House, tmp_path: Path
) -> None:
    """服务状态：包括正常使用、服务到期 …… (the statutory eleven columns carry no status)"""
    yesterday, line = TODAY - timedelta(days=1), "{}||甲||个人||全价用户||20240101||{}||{}||Web||0||0||0\n"  # fmt: skip
    ends = {"open": "0", "past": f"{yesterday:%Y%m%d}", "today": f"{TODAY:%Y%m%d}"}
    text = "".join(line.format(user, end, ENHANCED) for user, end in ends.items())
    async with asking(house, tmp_path, text) as caller:
        assert await ids(caller, serviceStatuses=["ACTIVE"]) == ["open", "today"]
        assert await ids(caller, serviceStatuses=["EXPIRED"]) == ["past"]
        assert await ids(caller, serviceStatuses=["CANCELLED"]) == []


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("szse", ["SZSE-1", "c-gov", "szse-1", "szse-1"]),
        ("SzSe-", ["SZSE-1", "szse-1", "szse-1"]),
        ("张三", ["b-full"]),
        ("证", ["c-gov", "szse-1", "szse-1"]),
        ("丰", ["b-full"]),
        ("x-", ["x-szse"]),
        ("zse", ["c-gov"]),
        ("-1", []),
    ],
)
async def test_fuzzy_search(house: House, tmp_path: Path, term: str, expected: list[str]) -> None:
    """根据用户名称或者用户ID查询，提供模糊查询，例如输入 szse 能够查询所有包含szse开头的用户ID。"""
    async with asking(house, tmp_path) as caller:
        assert await ids(caller, search=term) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"startBefore": "2024-12-01"}, ["b-full", "c-gov"]),
        ({"startBefore": "2024-12-02"}, ["b-full", "c-gov", "szse-1"]),
        ({"endAfter": "2025-03-31"}, ["szse-1", "x-szse"]),
        ({"endAfter": "2025-03-30"}, ["SZSE-1", "szse-1", "x-szse"]),
        ({"endAfter": "2030-12-31"}, ["szse-1"]),
        (
            {"startBefore": "2024-06-01", "endAfter": "2025-03-31"},
            ["b-full", "szse-1", "x-szse"],
        ),
        ({"startBefore": "2025-01-02", "endAfter": "2025-01-14", "dateJoin": "AND"}, ["b-full", "szse-1"]),
    ],
    ids=str,
)  # fmt: skip
async def test_dates(
    house: House, tmp_path: Path, condition: dict[str, Any], expected: list[str]
) -> None:
    """根据用户服务的起始日期或者终止日期的时间进行查询，查询起始时间早于指定时间或者终止时间晚于指定时间的
    用户信息。"""
    async with asking(house, tmp_path) as caller:
        assert await ids(caller, **condition) == expected


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"feeCategories": ["FULL_PRICE"]}, ["b-full", "szse-1"]),
        ({"feeCategories": ["REGULATORY", "INTERNAL_FREE"]}, ["c-gov", "x-szse"]),
        ({"feeCategories": ["FULL_PRICE"], "endAfter": "2025-03-31"}, ["szse-1"]),
        ({"feeCategories": ["TRIAL"], "startBefore": "2025-01-01"}, ["szse-1"]),
        (
            {"feeCategories": ["TRIAL"], "startBefore": "2025-01-01", "endAfter": "2025-03-30"},
            ["SZSE-1", "szse-1"],
        ),
        ({"feeCategories": ["REGULATORY"], "endAfter": "2025-01-01"}, []),
    ],
    ids=str,
)
async def test_fee_categories(
    house: House, tmp_path: Path, condition: dict[str, Any], expected: list[str]
) -> None:
    """优惠标记查询，可以根据全价用户、监管用户、内部免费用户和试用用户的标记来查询相关用户，可以和时间限制条件
    相结合。"""
    async with asking(house, tmp_path) as caller:
        assert await ids(caller, **condition) == expected


SORTS: dict[str, tuple[str, list[list[str]]]] = {
    "用户ID": ("USER_ID", [["SZSE-1"], ["b-full"], ["c-gov"], ["szse-1"] * 2, ["x-szse"]]),
    "用户类型": ("USER_TYPE", [["SZSE-1", "b-full", "x-szse"], ["c-gov", "szse-1", "szse-1"]]),
    "服务起始日期": (
        "START_DATE",
        [["b-full"], ["c-gov"], ["szse-1"], ["szse-1"], ["x-szse"], ["SZSE-1"]],
    ),
    "服务终止日期": (
        "END_DATE",
        [["c-gov"], ["szse-1"], ["b-full"], ["SZSE-1"], ["x-szse"], ["szse-1"]],
    ),
    "信息产品": ("PRODUCT", [["b-full", "szse-1", "x-szse"], ["SZSE-1", "c-gov", "szse-1"]]),
    "服务状态": (
        "SERVICE_STATUS",
        [["szse-1", "x-szse"], ["c-gov", "szse-1"], ["SZSE-1", "b-full"]],
    ),
}
"""The sort's field, and the IDs in groups that the sort puts one after another."""


@pytest.mark.parametrize("direction", ["ASC", "DESC"], ids=["正向", "反向"])
@pytest.mark.parametrize("name", SORTS)
async def test_sorts(house: House, tmp_path: Path, name: str, direction: str) -> None:
    """按用户ID、用户类型、服务起始日期、服务终止日期、信息产品或服务状态进行正向或反向排序。"""
    field, groups = SORTS[name]
    async with asking(house, tmp_path) as caller:
        order = [{"field": field, "direction": direction}]
        nodes = (await caller.ask(LIST, orderBy=order))["users"]["nodes"]
    shown = [node["userId"] for node in nodes]
    for group in groups if direction == "ASC" else reversed(groups):
        assert sorted(shown[: len(group)]) == group
        shown = shown[len(group) :]
    assert shown == []


async def test_the_download_is_the_list(house: House, tmp_path: Path) -> None:
    """并提供对应的电子数据下载 …… 数据不可为空，无数值时标记为 0；数据之间用英文的“ || ”分隔。"""
    query = """{ users(filter: {search: "szse"}, orderBy: [{field: START_DATE}]) {
        delimited download { url } } }"""
    lines = ROSTER.splitlines()
    expected = "".join(f"{lines[number].rsplit('||', 1)[0]}\n" for number in (4, 1, 0, 2))
    async with asking(house, tmp_path) as caller:
        users = (await caller.ask(query))["users"]
        assert await caller.follow(users["download"]["url"]) == users["delimited"] == expected
    for line in expected.splitlines():
        assert len(line.split("||")) == 11
        assert "" not in line.split("||")
