"""Licences on both axes: a vendor's are its own, a licensor's are those of its products."""

from typing import Any

import pytest
from worlds import (
    ALPHA,
    BETA,
    DELIVERED,
    HKEX,
    LICENSOR_OF,
    PRINCIPALS,
    SZSE,
    USERS,
    Principal,
    World,
    licensed_modes,
    sealed,
)

TENANTS = pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
LICENCE = "vendor { code } product { name } usageModes"


def modes(pair: tuple[str, str]) -> list[str]:
    return [mode.name for mode in licensed_modes(*pair)]


def pairs(nodes: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    return {(one["vendor"]["code"], one["product"]["name"]): one["usageModes"] for one in nodes}


@TENANTS
async def test_the_scopes_licences_and_no_others(market: World, who: Principal) -> None:
    own = {pair: modes(pair) for pair in who.pairs}
    data = await market.answer(
        who,
        f"{{ licences {{ totalCount nodes {{ {LICENCE} }} }} "
        f"vendors {{ nodes {{ licences {{ {LICENCE} }} }} }} }}",
    )
    assert pairs(data["licences"]["nodes"]) == own
    assert data["licences"]["totalCount"] == len(own)
    shown = [one for vendor in data["vendors"]["nodes"] for one in vendor["licences"]]
    assert pairs(shown) == own


async def test_one_vendors_licences_of_two_licensors(market: World) -> None:
    """Each licensor sees the vendor, and of its licences those of its own products."""
    query = f'{{ vendor(code: "VENDALPHA") {{ licences {{ {LICENCE} }} }} }}'
    for who in (SZSE, HKEX):
        data = await market.answer(who, query)
        found = pairs(data["vendor"]["licences"])
        assert found
        assert {LICENSOR_OF[product] for _, product in found} == {who.code}


@TENANTS
async def test_a_foreign_name_is_as_unknown_as_none(market: World, who: Principal) -> None:
    vendors = {vendor for vendor, _ in USERS} - {vendor for vendor, _ in who.pairs}
    products = {product for _, product in USERS} - {product for _, product in who.pairs}
    assert vendors or products
    for kind, names in (("vendors", vendors), ("products", products)):
        query = f"query($n: [String!]) {{ licences({kind}: $n) {{ totalCount }} }}"
        (none,) = await market.errors(who, query, n=["NOSUCHNAME"])
        assert none["extensions"]["code"] == "NOT_FOUND"
        for name in names:
            (error,) = await market.errors(who, query, n=[name])
            assert str(error).replace(name, "NOSUCHNAME") == str(none)


@TENANTS
async def test_a_foreign_id_is_nothing(market: World, who: Principal) -> None:
    query = "query($id: ID!) { node(id: $id) { ... on Licence { usageModes } } }"
    for pair in USERS:
        data = await market.answer(who, query, id=sealed(["Licence", *pair, "2024-01-01"]))
        expected = {"usageModes": modes(pair)} if pair in who.pairs else None
        assert data == {"node": expected}, pair


async def test_a_foreign_cursor_is_a_place_and_tells_nothing(market: World) -> None:
    query = "query($c: String) { licences(after: $c) { nodes { vendor { code } } } }"
    for pair in USERS:
        order = ["VENDOR ASC", "PRODUCT ASC", "VALID_FROM ASC"]
        cursor = sealed([order, [*pair, "2024-01-01"]])
        for who in (ALPHA, BETA):
            data = await market.answer(who, query, c=cursor)
            assert {one["vendor"]["code"] for one in data["licences"]["nodes"]} <= {who.code}


@TENANTS
async def test_interfaces_of_the_scopes_products_only(market: World, who: Principal) -> None:
    data = await market.answer(who, "{ products { nodes { name interfaceSpecs { key } } } }")
    found = {
        node["name"]: [one["key"] for one in node["interfaceSpecs"]]
        for node in data["products"]["nodes"]
    }
    assert found == {product: [DELIVERED[product]] for _, product in who.pairs}


async def test_reference_data_is_the_same_for_all(market: World) -> None:
    query = (
        "{ exchanges { totalCount nodes { id code pages { title address } } } "
        "interfaceSpecs { totalCount nodes { id key title isCurrent } } }"
    )
    answers = [await market.answer(who, query) for who in PRINCIPALS]
    assert answers[0]["interfaceSpecs"]["totalCount"] == 22
    assert all(one == answers[0] for one in answers)
