"""What is written down twice is the same: SDL, migrations, settings, dependencies, layouts."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from graphql import build_schema as parse_schema
from graphql import parse, validate

from alembic import command
from gateway.app.house import House
from gateway.app.migrate import configuration
from gateway.app.sdl import sdl
from gateway.config.settings import Settings
from gateway.db.engine import make_engine
from gateway.intake.problems import Rule
from gateway.regulation.layouts import DOWNLOAD_WITH_STATUS

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_sdl_snapshot_is_the_schema() -> None:
    assert read("schema.graphql") == sdl(), "run `make sdl`, and name what changed in the changelog"


async def test_models_and_migrations_agree(house: House) -> None:
    engine = make_engine(house.addresses.owner, role=None)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(lambda sync: command.check(configuration(sync)))
    finally:
        await engine.dispose()


async def test_every_migration_can_be_taken_back(house: House) -> None:
    engine = make_engine(house.addresses.owner, role=None)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(lambda sync: command.downgrade(configuration(sync), "base"))
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
    finally:
        await engine.dispose()


def test_every_setting_is_documented_as_it_is() -> None:
    text = read("docs/settings.md")
    for name, field in Settings.model_fields.items():
        row = next(line for line in text.splitlines() if f"`GATEWAY_{name.upper()}`" in line)
        first = (field.description or "").split(" Unset: ")[0]
        assert first in row.replace("`gateway migrate`", "`gateway migrate`")
        if field.default not in (None, ()):
            assert f"`{field.default}`" in row


def test_every_dependency_has_its_line() -> None:
    project = tomllib.loads(read("pyproject.toml"))["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {re.match(r"[a-z0-9-]+", line)[0] for line in declared}  # type: ignore[index]
    listed = set(re.findall(r"^\| ([a-z0-9-]+) \|", read("docs/dependencies.md"), re.MULTILINE))
    assert listed == names


@pytest.mark.parametrize("place", ["benchmarks/peers", "tests/http/audits", "tests/tenancy/issuer"])
def test_lock_files_of_npm_have_hashes_and_name_no_registry(place: str) -> None:
    packages = json.loads(read(f"{place}/package-lock.json"))["packages"]
    del packages[""]
    assert all("integrity" in one and "resolved" not in one for one in packages.values())


@pytest.mark.parametrize(
    "name", ["requirements.lock", "requirements-dev.lock", "benchmarks/peers/granian.lock"]
)
def test_lock_files_have_hashes_and_name_no_registry(name: str) -> None:
    text = read(name)
    assert "://" not in text
    pinned = re.findall(r"^[a-z0-9-]+==\S+", text, re.MULTILINE)
    assert pinned
    assert text.count(" \\\n    --hash=sha256:") >= len(pinned)


def test_the_documented_columns_and_rules_are_those_of_the_code() -> None:
    text = read("docs/files.md").replace("\\|", "|")
    for number, field in enumerate(DOWNLOAD_WITH_STATUS.fields, 1):
        assert f"| {number} | {field.heading.removeprefix('用户优惠')}" in text.replace(
            "用户优惠标记", "标记"
        )
        assert field.accepted in text
    for rule in Rule:
        assert f"| `{rule.name}` | {rule.reason('en')}" in text


def test_the_documented_queries_are_valid() -> None:
    schema = parse_schema(read("schema.graphql"))
    blocks = re.findall(r"```graphql\n(.*?)```", read("README.md"), re.DOTALL)
    assert blocks
    for block in blocks:
        assert validate(schema, parse(block)) == []


def test_the_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):.*##", read("Makefile"), re.MULTILINE))
    for name in ("README.md", "CONTRIBUTING.md"):
        assert set(re.findall(r"^make ([a-z]+)", read(name), re.MULTILINE)) <= targets


def test_ci_calls_what_the_readme_has() -> None:
    called = [line for line in read(".ci/run").splitlines() if line.startswith("make ")]
    assert called == ["make check"]
    assert "make check" in read("README.md")


def test_decisions_name_what_holds_them() -> None:
    records = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert records
    for record in records:
        text = record.read_text(encoding="utf-8")
        assert "Held by: " in text
        for path in re.findall(r"`(tests/[a-z_/.]+|pyproject\.toml)`", text.split("Held by: ")[1]):
            assert (ROOT / path).exists(), f"{record.name} names {path}"
