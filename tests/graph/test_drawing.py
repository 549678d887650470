"""A seed draws the same operations in every process: so a failure can be had again."""

import hashlib
import os
import random
import subprocess
import sys
from datetime import date
from pathlib import Path

from operations.documents import operation, vary
from operations.material import Material, Reach

from gateway.resolvers.query import build_schema

NAMES = ["A", "B"]
ROWS = [{"id": "x", "userId": "a.1", "userName": "名", "startDate": "2024-01-01", "endDate": None}]
MATERIAL = Material(
    date(2024, 3, 1),
    {name: Reach(name, NAMES, ["P", "Q"], ROWS, ["i", "j"]) for name in NAMES},
    instants=["2024-01-01T00:00:00+00:00"],
    cursors={(kind, ""): [("", f"{kind}{i}") for i in range(3)] for kind in ("users", "vendors")},
    vendor_names=NAMES,
    months=["2024-01", "2024-02"],
)
PLACES = os.pathsep.join(map(str, Path(__file__).parents[:2]))


def drawn() -> str:
    """A digest of many operations."""
    schema, found = build_schema()._schema, hashlib.sha256()
    for seed in range(60):
        rng = random.Random(seed)
        first = operation(rng, schema, MATERIAL)
        found.update(repr([first, vary(rng, first, MATERIAL)]).encode())
    return found.hexdigest()


def test_a_seed_draws_the_same_whatever_the_order_of_sets() -> None:
    told = {
        subprocess.run(
            [sys.executable, "-c", "import test_drawing; print(test_drawing.drawn())"],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": PLACES},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
