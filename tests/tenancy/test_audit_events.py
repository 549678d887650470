"""`auditEvents`: for auditors, of their own side, and enough to verify it by oneself."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from worlds import ALPHA, BETA, HKEX, PRINCIPALS, SZSE, Principal, World

from gateway.app.house import audit_keys

EVENTS = """
query($after: String, $before: String, $first: Int, $last: Int) {
  auditEvents(first: $first, after: $after, last: $last, before: $before) {
    totalCount
    pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
    nodes { number action actor text digest rows purpose }
    checkpoint { chain number digest signedAt key signature }
  }
}
"""


@pytest.mark.parametrize("who", PRINCIPALS, ids=[who.code for who in PRINCIPALS])
async def test_only_auditors_read_the_log_and_they_read_nothing_else(
    market: World, who: Principal
) -> None:
    (error,) = await market.errors(who, "{ auditEvents { totalCount } }")
    assert error["extensions"]["code"] == "NOT_FOUND"
    for query in (
        "{ users { totalCount } }",
        "{ users { download { url } } }",
        "{ monthlyStats { totalCount } }",
        f'{{ changes(vendor: "{who.pairs[0][0]}", from: "2024-01-01T00:00:00Z") {{ totalCount }} }}',
    ):
        assert (await market.errors(who.auditor, query))[0]["extensions"]["code"] == "NOT_FOUND"
    found = await market.answer(who.auditor, "{ viewer { role rights } }")
    assert found["viewer"]["rights"] == ["READ_AUDIT"]


async def _all(world: World, who: Principal) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return all entries, oldest first, and the checkpoint, page by page from the end."""
    nodes: list[dict[str, Any]] = []
    before = None
    signed: dict[str, Any] | None = None
    while True:
        found = (await world.answer(who, EVENTS, last=7, before=before))["auditEvents"]
        signed = signed or found["checkpoint"]
        nodes = nodes + found["nodes"][::-1]
        before = found["pageInfo"]["startCursor"]
        if not found["pageInfo"]["hasPreviousPage"]:
            assert signed is not None
            return nodes, signed


@pytest.mark.parametrize("who", [ALPHA, SZSE], ids=["vendor", "licensor"])
async def test_an_auditor_verifies_its_own_chain_by_what_the_graph_says(
    own: World, who: Principal
) -> None:
    nodes, signed = await _all(own, who.auditor)
    assert [int(node["number"]) for node in nodes] == list(range(1, len(nodes) + 1))
    kind = "vendor" if who.is_vendor else "licensor"
    assert signed["chain"] == f"{kind} {who.code}"
    before = bytes(32)
    for node in nodes:
        number = int(node["number"]).to_bytes(8, "big")
        written = f"{signed['chain']}\n{node['text']}".encode()
        before = hashlib.sha256(before + number + written).digest()
        assert before.hex() == node["digest"]
        if node["number"] == signed["number"]:
            assert node["digest"] == signed["digest"]
    folder = audit_keys(own.house.settings)
    key: Any = load_pem_public_key(Path(folder / f"{signed['key']}.pub").read_bytes())
    message = (
        f'gateway audit checkpoint\n{{"chain":"{signed["chain"]}","digest":"{signed["digest"]}",'
        f'"key":"{signed["key"]}","number":{signed["number"]},"signed_at":"{signed["signedAt"]}"}}'
    )
    key.verify(bytes.fromhex(signed["signature"]), message.encode())


async def test_each_side_finds_its_own_acts_and_what_was_done_with_its_data(own: World) -> None:
    for who in (ALPHA, SZSE):
        await own.answer(who, "{ users { totalCount } }")
        await own.file(await own.link(who))
    acts = {}
    for who in PRINCIPALS:
        nodes, _ = await _all(own, who.auditor)
        acts[who] = {(node["action"], node["actor"]) for node in nodes}
    mine, other = f"key:{ALPHA.key.prefix}", f"key:{SZSE.key.prefix}"
    for code in (ALPHA, BETA, SZSE):
        assert ("export.users.complete", other) in acts[code]
    assert ("export.users.complete", mine) in acts[ALPHA]
    assert all(mine != actor for who in (BETA, SZSE, HKEX) for _, actor in acts[who])
    assert all(other != actor for _, actor in acts[HKEX])
    assert ("vendor.add", "test") in acts[ALPHA]
    assert not any(action == "vendor.add" for action, _ in acts[SZSE])
    assert ("product.add", "test") in acts[SZSE]


async def test_filters_and_pages(own: World) -> None:
    auditor = ALPHA.auditor
    nodes, _ = await _all(own, auditor)
    acts = [node for node in nodes if node["actor"] == "test"]
    query = """query($from: DateTime, $to: DateTime, $actions: [String!], $after: String) {
        auditEvents(from: $from, to: $to, actions: $actions, actor: "test", first: 2, after: $after) {
            totalCount nodes { number occurredAt action } pageInfo { hasNextPage endCursor } } }"""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        page = (await own.answer(auditor, query, after=after))["auditEvents"]
        assert page["totalCount"] == len(acts)
        found += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert [node["number"] for node in found] == [node["number"] for node in acts[::-1]]
    middle = found[1]["occurredAt"]
    assert datetime.fromisoformat(middle).tzinfo is not None
    since = (await own.answer(auditor, query, **{"from": middle}))["auditEvents"]
    until = (await own.answer(auditor, query, to=middle))["auditEvents"]
    assert (since["totalCount"], until["totalCount"]) == (2, len(acts) - 2)
    of_one = (await own.answer(auditor, query, actions=["vendor.add"]))["auditEvents"]
    assert of_one["totalCount"] == 1
    none = (await own.answer(auditor, query, actions=[]))["auditEvents"]
    assert (none["totalCount"], none["nodes"]) == (0, [])


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ('from: "2024-01-01T00:00:00"', "from"),
        ('to: "2024-01-01T00:00:00"', "to"),
        ("first: 1001", "first"),
        ("first: 1, last: 1", "last"),
        ('after: "x"', "after"),
    ],
)
async def test_bad_arguments_say_what_is_accepted(
    market: World, arguments: str, argument: str
) -> None:
    (error,) = await market.errors(
        ALPHA.auditor, f"{{ auditEvents({arguments}) {{ totalCount }} }}"
    )
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["argument"] == argument
    assert error["extensions"]["accepted"]
