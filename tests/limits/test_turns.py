"""Turns: alone a tenant runs all it asks, beside others its share, and no turn is lost."""

import asyncio

import pytest

from gateway.limits.turns import RECENT, Line, Turns


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def asked(turns: Turns, tenant: str, number: int) -> list[asyncio.Task[Line]]:
    tasks = [asyncio.create_task(turns.take(tenant)) for _ in range(number)]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def run(tasks: list[asyncio.Task[Line]]) -> int:
    return sum(task.done() for task in tasks)


async def test_a_tenant_alone_runs_as_much_as_there_are_connections() -> None:
    assert run(await asked(Turns(2, 50, clock=Clock()), "A", 60)) == 50


async def test_a_share_is_never_more_than_one_alone_may_run() -> None:
    clock = Clock()
    turns = Turns(64, 4, clock=clock)
    await asked(turns, "B", 1)
    clock.now += RECENT / 2
    assert run(await asked(turns, "A", 10)) == 4


@pytest.mark.parametrize(("cores", "share"), [(1, 1), (2, 1), (8, 4), (9, 4)])
async def test_beside_another_it_has_its_share(cores: int, share: int) -> None:
    clock = Clock()
    turns = Turns(cores, 100, clock=clock)
    (other,) = await asked(turns, "B", 1)
    turns.leave(other.result())
    clock.now += RECENT / 2
    flood = await asked(turns, "A", 50)
    clock.now += RECENT / 2 - 0.01  # B is still there
    (other,) = await asked(turns, "B", 1)
    assert other.done()
    flood += await asked(turns, "A", 10)
    started = run(flood)
    for done in range(started - share):
        turns.leave(flood[done].result())
        await asyncio.sleep(0)
    assert run(flood) == started  # none of those that wait began
    turns.leave(flood[started - share].result())
    await asyncio.sleep(0)
    assert run(flood) == started + 1
    turns.leave(other.result())
    clock.now += 2 * RECENT  # B has left, and all of the rest may run
    turns.leave(flood[started - share + 1].result())
    await asyncio.sleep(0)
    assert run(flood) == len(flood)


async def test_who_waits_is_called_when_others_have_left() -> None:
    """Also where none of its own turns ends, as that of a long download."""
    clock = Clock()
    turns = Turns(4, 2, clock=clock)
    others = [(await asked(turns, name, 1))[0] for name in "BCD"]
    clock.now += RECENT / 3
    mine = await asked(turns, "A", 2)
    assert run(mine) == 1
    clock.now += 2 * RECENT
    for other in others[:2]:
        turns.leave(other.result())
    await asyncio.sleep(0)
    assert run(mine) == 2


async def test_who_leaves_the_line_keeps_no_turn() -> None:
    clock = Clock()
    turns = Turns(2, 50, clock=clock)
    await asked(turns, "B", 1)
    clock.now += RECENT / 2
    flood = await asked(turns, "A", 1)
    clock.now += RECENT / 3
    flood += await asked(turns, "A", 3)
    assert run(flood) == 1
    flood[1].cancel()
    turns.leave(flood[0].result())
    flood[2].cancel()  # it was called, and does not come
    for _ in range(4):
        await asyncio.sleep(0)
    assert [task.cancelled() for task in flood[1:]] == [True, True, False]
    assert flood[3].done()
    turns.leave(flood[3].result())
    assert run(await asked(turns, "A", 1)) == 1
