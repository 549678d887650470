"""A document is validated once, however often it is asked; the limits hold all the same."""

from types import ModuleType

import pytest
from graphing import calling
from market import found
from strawberry.schema import schema as validating

from gateway.app.house import House
from gateway.compiled import operations
from gateway.schema import documents


@pytest.mark.parametrize(("module", "way"), [(validating, "executor"), (documents, "compiled")])
async def test_a_document_is_validated_once(
    house: House, monkeypatch: pytest.MonkeyPatch, module: ModuleType, way: str
) -> None:
    """No rule may be made anew for each request: it would be another key of the cache."""
    await found(house, "A")
    if way == "executor":
        monkeypatch.setattr(documents, "checked", lambda *_: None)
        monkeypatch.setattr(operations, "checked", lambda *_: None)
    validated = []
    validate = validating.validate
    monkeypatch.setattr(
        module,
        "validate",
        lambda *given, **more: validated.append(given) or validate(*given, **more),
    )
    async with calling(house, vendor="A") as caller:
        for _ in range(3):
            answer = await caller.post("{ once: viewer { name } users { nodes { id } } }")
            assert answer.headers["gateway-execution"].startswith(way)
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
