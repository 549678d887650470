"""Each rule, exactly: what raises it, with its evidence to the record, and what comes near."""

from pathlib import Path

import pytest
from cases import NEAR, RAISED
from graphing import calling
from market import found
from raising import Case, raised, settle, shown, told

from gateway.app.house import House
from gateway.findings.rule import RuleCode


def test_every_rule_has_its_cases() -> None:
    for cases in (RAISED, NEAR):
        assert {case.rule for case in cases.values()} == set(RuleCode.__members__)


@pytest.mark.parametrize("case", RAISED.values(), ids=RAISED)
async def test_what_raises_a_rule(house: House, tmp_path: Path, case: Case) -> None:
    await found(house, "A", "B")
    await settle(house, tmp_path, case)
    nodes = await raised(house, "A", **case.asks())
    assert [told(node) for node in nodes] == case.found
    assert [shown(node) for node in nodes] == [sorted(one) for one in case.evidence]
    assert await raised(house, None, **case.asks()) == nodes
    assert await raised(house, "B", **case.asks()) == []
    for node in nodes:
        assert node["rule"]["code"] == case.rule
        for text in (node["message"], node["messageZh"]):
            assert node["observed"] in text
            assert "{" not in text
            assert "None" not in text
        assert (node["subject"] or "") in node["message"] or case.rule in {
            "OUTSIDE_LICENCE_DATES",
            "TREND_JUMP",
        }


@pytest.mark.parametrize("case", NEAR.values(), ids=NEAR)
async def test_what_comes_near(house: House, tmp_path: Path, case: Case) -> None:
    await found(house, "A", "B")
    await settle(house, tmp_path, case)
    assert await raised(house, "A", **case.asks()) == []


@pytest.mark.parametrize("case", RAISED.values(), ids=RAISED)
async def test_the_download_of_the_evidence_is_the_evidence(
    house: House, tmp_path: Path, case: Case
) -> None:
    await found(house, "A")
    await settle(house, tmp_path, case)
    query = (
        f'{{ findings(rules: [{case.rule}], from: "{case.months[0]}", to: "{case.months[1]}") '
        "{ nodes { evidence { delimited download { url } } } } }"
    )
    async with calling(house, vendor="A") as caller:
        nodes = (await caller.ask(query))["findings"]["nodes"]
        assert len(nodes) == len(case.found)
        for node in nodes:
            assert (
                await caller.follow(node["evidence"]["download"]["url"])
                == (node["evidence"]["delimited"])
            )
            assert node["evidence"]["delimited"]
