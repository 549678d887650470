"""The built-in catalogue has every entry of the listing of 技术接口, one by one.

The facts are copied here from the listing: heading, title, code, version, date, address.
"""

from datetime import date
from urllib.parse import urlsplit

import pytest

from gateway.catalogue.codes import Protocol, Purpose
from gateway.catalogue.listing import SpecEntry
from gateway.catalogue.loading import built_in
from gateway.catalogue.reader import read_listing

LISTING = read_listing(built_in())
EXCHANGES = {one.code: one for one in LISTING.exchanges}

HEADINGS = {
    "上交所": "SSE",
    "深交所": "SZSE",
    "上证所网络信息有限公司": "SSEINFO",
    "香港证券交易所": "HKEX",
    "北交所": "BSE",
    "日本交易所集团": "JPX",
}
DATA_COMPANIES = {"SSEINFO", "SZSEINFO"}

PAGES = [
    ("SSE", "技术通知", "http://www.sse.com.cn/services/tradingtech/notice/"),
    ("SZSE", "技术公告", "https://www.szse.cn/marketServices/technicalservice/notice/"),
    ("SZSE", "数据接口", "https://www.szse.cn/marketServices/technicalservice/interface/"),
    (
        "SSEINFO",
        "正式接口及开发测试接口说明书",
        "https://www.sseinfo.com/services/assortment/document/",
    ),
    (
        "HKEX",
        "市场数据服务",
        "https://sc.hkex.com.hk/TuniS/www.hkex.com.hk/Services/Market-Data-Services/Real-Time-Data-Services/Overview?sc_lang=zh-HK",
    ),
]

SSE = "http://www.sse.com.cn/services/tradingtech/data/c/"
SZSE = "www.szse.cn/marketServices/technicalservice/interface/"
SSEINFO = "https://www.sseinfo.com/services/assortment/document/interface/c/"
HKEX = "https://sc.hkex.com.hk/TuniS/www.hkex.com.hk/Services/Market-Data-Services/Infrastructure/"
STEP, BINARY, MULTICAST = Protocol.STEP, Protocol.BINARY, Protocol.MULTICAST
OMD = {BINARY, MULTICAST}

# exchange, code, words of the title, protocols, purpose, version, date, address
SPECS = [
    ("SSE", "IS101", "竞价撮合平台市场参与者接口规格说明书", set(), Purpose.TRADING, "1.61", date(2022, 10, 20), f"{SSE}IS101_PartTradInterface_CV1.61_20221020.pdf"),
    ("SSE", "IS105", "综合业务平台市场参与者接口规格说明书", set(), Purpose.TRADING, "1.51", date(2022, 10, 20), f"{SSE}IS105_ATPInterface_CV1.51_20221020.pdf"),
    ("SSE", "IS118", "特定参与者接口规格说明书", set(), Purpose.TRADING, "1.1", date(2022, 8, 4), f"{SSE}IS118_SpecificInterface_Relay_CV1.1_20220804.pdf"),
    ("SSE", "IS122", "交易网关STEP接口规格说明书（互联网交易平台）", {STEP}, Purpose.TRADING, "1.12", date(2022, 8, 18), f"{SSE}IS122_TDGW_STEP_CV1.12_IITP_20220818.pdf"),
    ("SSE", "IS122", "交易网关Binary接口规格说明书（竞价平台）", {BINARY}, Purpose.TRADING, "0.53", date(2022, 7, 15), f"{SSE}IS122_TDGW_Binary_CV0.53_MTP_20220715.pdf"),
    ("SSE", "IS122", "交易网关STEP接口规格说明书（竞价平台）", {STEP}, Purpose.TRADING, "0.53", date(2022, 7, 15), f"{SSE}IS122_TDGW_STEP_CV0.53_MTP_20220715.pdf"),
    ("SSE", "IS120", "行情网关BINARY数据接口规范", {BINARY}, Purpose.MARKET_DATA, "0.56", date(2022, 4, 13), f"{SSE}IS120_MDGW_BINARY_CV0.56_20220413.pdf"),
    ("SSE", "IS120", "行情网关STEP数据接口规范", {STEP}, Purpose.MARKET_DATA, "0.56", date(2022, 4, 13), f"{SSE}IS120_MDGW_STEP_CV0.56_20220413.pdf"),
    ("SZSE", None, "Binary交易数据接口规范", {BINARY}, Purpose.TRADING, "1.26", date(2022, 9, 27), f"https://{SZSE}P020220927418890406491.pdf"),
    ("SZSE", None, "Binary行情数据接口规范", {BINARY}, Purpose.MARKET_DATA, "1.12", date(2022, 5, 23), f"https://{SZSE}P020220523530959450444.pdf"),
    ("SZSE", None, "数据文件交换接口规范", {Protocol.FILE_EXCHANGE}, Purpose.REFERENCE, "1.35", date(2022, 9, 16), f"https://{SZSE}P020220916573746747357.pdf"),
    ("SZSE", None, "组播行情数据分发协议", {MULTICAST}, Purpose.MARKET_DATA, "1.00", date(2020, 8, 25), f"http://{SZSE}P020200825552361977014.pdf"),
    ("SSEINFO", "LDDS", "低延时行情发布系统(LDDS)接口说明书", set(), Purpose.MARKET_DATA, "1.1.1", date(2022, 2, 7), f"{SSEINFO}5691579.pdf"),
    ("SSEINFO", "LDDS", "LDDS系统竞价Level-2行情接口说明书", set(), Purpose.MARKET_DATA, "2.0.8", date(2023, 3, 13), f"{SSEINFO}5718167.pdf"),
    ("SSEINFO", None, "历史数据接口说明书", set(), Purpose.HISTORICAL, "1.1.1", date(2023, 5, 31), f"{SSEINFO}5721926.pdf"),
    ("SSEINFO", "LDDS", "LDDS系统静态数据接口说明书", set(), Purpose.STATIC, "1.1.17", date(2023, 2, 21), f"{SSEINFO}5716809.pdf"),
    ("HKEX", "OMD-C", "市场数据平台—证券市场", OMD, Purpose.MARKET_DATA, None, None, f"{HKEX}HKEX-Orion-Market-Data-Platform-Securities-Market-OMD-C?sc_lang=zh-HK"),
    ("HKEX", "OMD-MMDH", "内地市场数据枢纽-证券市场", OMD, Purpose.MARKET_DATA, None, None, f"{HKEX}Mainland-Market-Data-Hub-Securities-Market-OMD-C-MMDH?sc_lang=zh-HK"),
    ("HKEX", "OMD-D", "市场数据平台—衍生产品市场", OMD, Purpose.MARKET_DATA, None, None, f"{HKEX}HKEX-Orion-Market-Data-Platform-Derivatives-Market-OMD-D?sc_lang=zh-HK"),
    ("BSE", None, "交易支持平台数据接口规范", set(), Purpose.TRADING, "2.1", date(2022, 9, 2), "https://www.bse.cn/uploads/6/file/public/202209/20220902205128_2k3q28i883.pdf"),
    ("JPX", None, "数据接口规范", {Protocol.CSV}, Purpose.HISTORICAL, None, None, "http://db-ec.jpx.co.jp/client_info/JPX_DLSITE/html/data_detail_en.pdf"),
    ("JPX", None, "数据接口规范", {Protocol.WEB_API}, Purpose.MARKET_DATA, None, None, "https://www.jpx.co.jp/english/markets/paid-info-equities/realtime/b5b4pj000003wta2-att/API_ServiceGuide.pdf"),
]  # fmt: skip


def at(address: str) -> SpecEntry:
    (found,) = [one for one in LISTING.specs if one.address == address]
    return found


@pytest.mark.parametrize("spec", SPECS, ids=[urlsplit(one[-1]).path[-24:] for one in SPECS])
def test_a_specification_is_there_with_its_facts(spec: tuple[object, ...]) -> None:
    exchange, code, title, protocols, purpose, version, day, address = spec
    found = at(str(address))
    assert (found.exchange, found.code, found.published_on) == (exchange, code, day)
    assert str(title) in found.title
    assert set(found.protocols) == protocols
    assert found.purpose is purpose
    assert (found.version or "").lstrip("CVer.") == (version or "")
    assert found.supersedes is None


def test_there_are_these_and_no_others() -> None:
    assert len(SPECS) == len({one[-1] for one in SPECS}) == 22
    assert sorted(one.address for one in LISTING.specs) == sorted(str(one[-1]) for one in SPECS)
    pages = [
        (exchange.code, page.title, page.address)
        for exchange in LISTING.exchanges
        for page in exchange.pages
    ]
    assert sorted(pages) == sorted(PAGES)


def test_every_heading_is_an_exchange_or_a_data_company() -> None:
    for heading, code in HEADINGS.items():
        assert heading in {EXCHANGES[code].name, EXCHANGES[code].short_name}
    assert set(EXCHANGES) == {*HEADINGS.values(), "SZSEINFO"}
    kinds = {code for code, one in EXCHANGES.items() if one.kind.name == "DATA_COMPANY"}
    assert kinds == DATA_COMPANIES
    granting = {code for code, one in EXCHANGES.items() if one.licensor}
    assert granting == {"SSEINFO", "SZSEINFO", "HKEX", "BSE", "JPX"}
