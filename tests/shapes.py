"""Report formats of tests: the demo's second one, and a third that shares nothing with either."""

from pathlib import Path

import gateway.demo
from gateway.regulation.formats.reading import read_format

HKEX_FILE = Path(gateway.demo.__file__).with_name("hkex-csv.toml")
HKEX_TEXT = HKEX_FILE.read_text(encoding="utf-8")
HKEX = read_format(HKEX_TEXT, HKEX_FILE.name)

PIPE_TEXT = """
code = "pipe"
version = 1
title = "竖线分隔"
[file]
separator = "|"
encodings = ["gb18030"]
[values]
missing = "-"
date = "dd/mm/yyyy"
month = "yyyy年mm月"
open_end = "永久"
amount = { unit = "円", decimals = 3, mark = "," }
[codes]
user_type = { INDIVIDUAL = "1", INSTITUTION = "2" }
fee_category = { FULL_PRICE = "A", REGULATORY = "B", INTERNAL_FREE = "C", TRIAL = "D" }
usage_mode = { WEB = ["W", "网"], TERMINAL = "T", DATAFEED = "F" }
service_status = { ACTIVE = "在", EXPIRED = "期", CANCELLED = "销" }
[users]
title = "名单"
columns = [
    { field = "usage_mode", heading = "方式" },
    { field = "end_date", heading = "止" },
    { field = "start_date", heading = "起" },
    { field = "product", heading = "产品" },
    { field = "fee_category", heading = "类别" },
    { field = "user_type", heading = "类型" },
    { field = "user_name", heading = "名称" },
    { field = "user_id", heading = "用户" },
    { field = "service_status", heading = "状态" },
]
[monthly]
title = "月报"
columns = [
    { field = "fee", heading = "费用" },
    { field = "month", heading = "月份" },
    { field = "expired_count", heading = "到期" },
]
"""
PIPE = read_format(PIPE_TEXT, "pipe.toml")
