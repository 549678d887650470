"""The intake against the real database: what changes, what is kept, what is refused."""

from pathlib import Path

from market import ENHANCED, found, load

from gateway.app.house import House
from gateway.intake.run import Mode

LINE = f"u1||甲||个人||全价用户||20260101||0||{ENHANCED}||Web||0||0||0"


async def test_importing_the_same_file_again_changes_nothing_and_says_so(
    house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    first = await load(house, "A", [LINE], tmp_path)
    second = await load(house, "A", [LINE], tmp_path)
    assert (first.batch, first.change.added) == (1, 1)
    assert second.batch is None
    assert second.change.nothing
    assert second.change.unchanged == 1


async def test_a_snapshot_supersedes_what_it_lacks_and_a_delta_does_not(
    house: House, tmp_path: Path
) -> None:
    await found(house, "A")
    other = LINE.replace("u1", "u2")
    await load(house, "A", [LINE, other], tmp_path)
    delta = await load(house, "A", [other], tmp_path, Mode.DELTA)
    assert delta.change.nothing
    snapshot = await load(house, "A", [other], tmp_path)
    assert snapshot.change.superseded == 1
