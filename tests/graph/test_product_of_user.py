"""What a user's product tells by itself, whatever else is selected of it, on both ways."""

from pathlib import Path

import httpx
import pytest
from graphing import Caller
from market import ENHANCED, found, key, load

from gateway.app.house import House
from gateway.app.server import application, routes
from gateway.resolvers.fields import _PRODUCT
from gateway.resolvers.query import build_schema
from gateway.tenancy.principal import Role

LINE = f"u1||甲||个人||全价用户||20260101||0||{ENHANCED}||Web||0||0||0"
FIELDS = {
    "id": "id",
    "name": "name",
    "licensor": "licensor { code }",
    "exchange": "exchange { code }",
    "interfaceSpecs": "interfaceSpecs { code }",
}


def test_every_field_of_a_product_says_what_it_needs() -> None:
    graph = build_schema()._schema.type_map["Product"]
    assert set(_PRODUCT) == set(FIELDS) == set(graph.fields)  # type: ignore[attr-defined]


@pytest.mark.parametrize("field", FIELDS.values())
async def test_a_field_alone_is_told(house: House, tmp_path: Path, field: str) -> None:
    await found(house, "A")
    await load(house, "A", [LINE], tmp_path)
    text = await key(house, vendor="A", role=Role.VENDOR_OPERATOR)
    query = (
        f"{{ users {{ nodes {{ product {{ {field} }} otherServices {{ product {{ {field} }} }} }} }} "
        f"monthlyStats(first: 1) {{ nodes {{ product {{ {field} }} "
        f"users {{ nodes {{ product {{ {field} }} }} }} }} }} }}"
    )
    answers = []
    for app in (application(house), routes(house, build_schema())):
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answers.append(await Caller(client, text).ask(query))
    assert answers[0] == answers[1]
