"""A document is validated once, however often it is asked; the limits hold all the same."""

import pytest
from graphing import calling
from market import found
from strawberry.schema import schema as validating

from gateway.app.house import House


async def test_a_document_is_validated_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No rule may be made anew for each request: it would be another key of the cache."""
    await found(house, "A")
    validated = []
    validate = validating.validate
    monkeypatch.setattr(
        validating, "validate", lambda *given: validated.append(given) or validate(*given)
    )
    async with calling(house, vendor="A") as caller:
        for _ in range(3):
            await caller.ask("{ once: viewer { name } users { nodes { id } } }")
    assert len(validated) == 1


async def test_aliases_and_depth_are_limited(house: House) -> None:
    await found(house, "A")
    aliases = " ".join(f"a{i}: viewer {{ name }}" for i in range(50))
    nested = "id"
    for _ in range(14):
        nested = f"id otherServices {{ {nested} }}"
    async with calling(house, vendor="A") as caller:
        await caller.ask(f"{{ {aliases} }}")
        for _ in range(2):
            error = await caller.refused(f"{{ one_more: viewer {{ name }} {aliases} }}")
            assert "51 aliases" in error["message"]
            error = await caller.refused(f"{{ users {{ nodes {{ {nested} }} }} }}")
            assert "depth" in error["message"]
