"""The demo market has something to be found by every rule that it was made for."""

import io

from graphing import Caller, calling
from rich.console import Console

from gateway.app.house import House
from gateway.demo.load import found_demo

WANTED = {
    ("JHRJ", "UNLICENSED_PRODUCT"),
    ("SYWL", "OUTSIDE_LICENCE_DATES"),
    ("XJSJ", "UNLICENSED_USAGE_MODE"),
    ("NTXX", "FREE_QUOTA_EXCEEDED"),
    ("NTXX", "OVERLAPPING_TRIALS"),
    ("HLTX", "SHARED_PHONE"),
    ("FLZX", "SHARED_NAME"),
    ("YTJR", "REUSED_ID"),
}


async def test_the_demo_has_findings(house: House) -> None:
    keys = await found_demo(
        *(house.service, house.operator, house.security), 0.02, Console(file=io.StringIO())
    )
    query = "{ findings(first: 1000) { nodes { vendor { code } rule { code } } } }"
    async with calling(house) as caller:
        nodes = (await Caller(caller.client, keys["licensor"]).ask(query))["findings"]["nodes"]
    assert {(one["vendor"]["code"], one["rule"]["code"]) for one in nodes} >= WANTED
