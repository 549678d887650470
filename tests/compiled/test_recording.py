"""Given values: what a builder may do with them, and what a memory replays."""

from collections.abc import Callable
from operator import add, itemgetter
from typing import Any

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from gateway.kinds import INTEGER
from gateway.recording import Given, Memory, Recording, decide, derive, param, present, slot_of


def recorded(*values: Any) -> tuple[Recording, list[Given[Any]]]:
    recording = Recording(list(values))
    return recording, list(recording.given())


@pytest.mark.parametrize(
    "look",
    [
        bool,
        len,
        list,
        str,
        repr,
        hash,
        int,
        lambda one: one == 3,
        lambda one: one != 3,
        lambda one: one < 3,
        lambda one: one + 1,
        lambda one: 1 + one,
        lambda one: -one,
        lambda one: one[0],
        lambda one: 3 in one,
        lambda one: one(),
        lambda one: f"{one}",
        lambda one: {one: 1},
        lambda one: max(one, 3),
        lambda one: range(3)[one],
    ],
)
def test_a_given_value_can_not_be_looked_at(look: Callable[[Any], Any]) -> None:
    _, (one,) = recorded(3)
    with pytest.raises(TypeError):
        look(one)


def test_values_that_are_known_are_worked_with_at_once() -> None:
    assert derive(add, 1, 2) == 3
    assert decide(add, 1, 2) == 3
    assert present(None) is None
    assert param(3, INTEGER).value == 3
    assert slot_of(param(3, INTEGER).key) is None


def test_a_parameter_names_its_slot_and_has_this_requests_value() -> None:
    _, (one,) = recorded(3)
    double = derive(add, one, one)
    place = param(double, INTEGER)
    assert place.value == 6
    assert slot_of(place._orig_key) == 1
    assert param(double, INTEGER) is place
    assert param(one, INTEGER) is not place


def build(number: Any, texts: Any) -> str:
    """A builder with decisions that depend on derivations, and on each other."""
    size = derive(len, texts)
    if decide(lambda n: n > 10, number):
        return "many" if decide(bool, size) else "none"
    total = derive(add, number, size)
    return f"few {decide(lambda n: n % 3, total)}"


@drawn(st.lists(st.tuples(st.integers(0, 20), st.lists(st.text(max_size=2), max_size=4))))
def test_a_memory_finds_what_the_builder_would_build(requests: list[tuple[int, list[str]]]) -> None:
    memory: Memory[str] = Memory()
    for number, texts in requests:
        expected = build(number, texts)
        found = memory.find([number, texts])
        if found is None:
            recording, values = recorded(number, texts)
            memory.keep(recording, build(*values))
        else:
            assert found == expected
        assert memory.find([number, texts]) == expected
    assert memory.plans == len({build(*one) for one in requests})


def test_replayed_values_are_this_requests() -> None:
    memory: Memory[int] = Memory()
    recording, (number, texts) = recorded(1, ["a"])
    joined = derive(lambda some, times: "".join(some) * times, texts, number)
    decide(len, texts)
    memory.keep(recording, slot_of(param(joined, INTEGER)._orig_key) or 0)
    values = [3, ["b"]]
    assert values[memory.find(values)] == "bbb"  # type: ignore[index]


def test_nothing_is_derived_or_decided_twice() -> None:
    recording, (one,) = recorded([3])
    assert derive(len, one) is derive(len, one)
    decide(bool, one)
    decide(bool, one)
    assert len(recording.steps) == 2


def test_what_is_known_beside_a_given_value_tells_steps_apart() -> None:
    _, (one,) = recorded(3)
    values = [derive(add, one, known) for known in (1, 2, 1000, 1000)]
    places = [param(value, INTEGER).value for value in values]
    assert places == [4, 5, 1003, 1003]


def test_values_of_two_requests_do_not_meet() -> None:
    _, (one,) = recorded(1)
    _, (other,) = recorded(2)
    with pytest.raises(ValueError, match="unpack"):
        derive(add, one, other)


def test_what_a_derivation_raises_it_raises_again() -> None:
    memory: Memory[str] = Memory()
    recording, (one,) = recorded([1])
    derive(itemgetter(0), one)
    memory.keep(recording, "plan")
    with pytest.raises(IndexError):
        memory.find([[]])
