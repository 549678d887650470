"""Statements whose values are not known yet: what a builder does with them, recorded.

Builders of statements take values as they are, or as `Given`: then the statement serves every
request of its shape. A given value can't be looked at. A builder can `derive` another value from
it, can `decide` by it which way the statement is built, and can hand it to the database as a
`param`. A recording keeps the derivations and decisions in their order; `Memory` replays them with
another request's values: the same decisions lead to the statement that was built for them, and the
derivations to its parameters. What was recorded therefore holds no value of a request but the
decisions'. Of values that are not given, all three work at once, and nothing is recorded.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, NoReturn, TypeAlias, TypeVar

from sqlalchemy import BindParameter, bindparam
from sqlalchemy.types import TypeEngine

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)
P = TypeVar("P")

_MARK: Final = "given_"


class Given(Generic[T]):
    """A value of a request, opaque to who builds a statement."""

    __slots__ = ("_recording", "_slot")

    def __init__(self, recording: "Recording", slot: int) -> None:
        """Name the place of the value; `Recording` does it."""
        self._recording, self._slot = recording, slot

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a given value is not known yet: derive from it, or decide by it")

    __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __call__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __mul__ = __neg__ = __int__ = __index__ = _refuse
    __str__ = __repr__ = __format__ = __reduce__ = _refuse
    __hash__ = None  # type: ignore[assignment]


Known: TypeAlias = T | Given[T]
"""A value, or one that is not known yet."""


class Step(NamedTuple):
    """One derivation or decision: a function, and the slots of what it takes."""

    function: Callable[..., Any]
    slots: tuple[int, ...]


@dataclass(slots=True, eq=False)
class Recording:
    """What was done with the values of one request. The first slots are what it came with."""

    values: list[Any]
    steps: list[tuple[Step, Any]] = field(default_factory=list)
    """Each step, and a decision's outcome; of a derivation `_DERIVED`."""
    done: dict[Any, Any] = field(default_factory=dict)
    """What came of each function and its values: nothing is asked for twice."""

    def given(self) -> Iterator[Given[Any]]:
        """Yield what the request came with."""
        return (Given(self, slot) for slot in range(len(self.values)))


_DERIVED: Final = object()


def derive(function: Callable[..., Any], *values: Any) -> Any:
    """Return what a function makes of values; given, if one of them is.

    The function knows nothing but what it is called with: it runs again for each request.
    """
    recording, step, key = _step(function, values)
    if recording is None:
        return function(*values)
    if key not in recording.done:
        recording.steps.append((step, _DERIVED))
        recording.values.append(_run(step, recording.values))
        recording.done[key] = Given[Any](recording, len(recording.values) - 1)
    return recording.done[key]


def decide(function: Callable[..., H], *values: Any) -> H:
    """Return what a function makes of values, to build the statement by."""
    recording, step, key = _step(function, values)
    if recording is None:
        return function(*values)
    if (key, _DERIVED) not in recording.done:
        outcome = _run(step, recording.values)
        recording.steps.append((step, outcome))
        recording.done[key, _DERIVED] = outcome
    found: H = recording.done[key, _DERIVED]
    return found


def present(value: Any) -> Any:
    """Return a value, or None for one that is known to be None from here on."""
    return None if decide(_is_none, value) else value


def param(value: Any, kind: TypeEngine[Any]) -> BindParameter[Any]:
    """Return a value as a statement's parameter: a given one's is the same wherever it is used."""
    if not isinstance(value, Given):
        return bindparam(None, value, kind, unique=True)
    recording, slot = value._recording, value._slot  # noqa: SLF001
    key = (param, slot, kind)
    if key not in recording.done:
        now = recording.values[slot]
        recording.done[key] = bindparam(f"{_MARK}{slot}", now, kind, unique=True)
    found: BindParameter[Any] = recording.done[key]
    return found


def place_of(value: Known[Any]) -> Any:
    """Return the slot of a given value; any other as it is."""
    return value._slot if isinstance(value, Given) else value  # noqa: SLF001


def slot_of(parameter: str) -> int | None:
    """Return which slot a compiled statement's parameter comes from; None if it is a constant."""
    if not parameter.startswith(_MARK):
        return None
    return int(parameter[len(_MARK) :].partition("_")[0])


def _is_none(value: object) -> bool:
    return value is None


def _step(
    function: Callable[..., Any], values: Sequence[Any]
) -> tuple[Recording | None, Step, Hashable]:
    """Return the recording, the step, and what tells it from others; no recording, no step."""
    given = [value for value in values if isinstance(value, Given)]
    if not given:
        return None, Step(function, ()), None
    (recording,) = {id(one._recording): one._recording for one in given}.values()  # noqa: SLF001
    slots = tuple(one._slot for one in given)  # noqa: SLF001
    if len(given) == len(values):
        return recording, Step(function, slots), (function, slots)
    known = [None if type(one) is Given else (one,) for one in values]
    # a value that is known is told apart by itself: it may have no hash
    key = (function, slots, tuple(None if one is None else id(one[0]) for one in known))
    return recording, Step(_Partly(function, known), slots), key


class _Partly:
    """A function some of whose values are known already."""

    __slots__ = ("_function", "_known", "_places")

    def __init__(self, function: Callable[..., Any], known: Sequence[tuple[Any] | None]) -> None:
        self._function = function
        self._known = [None if one is None else one[0] for one in known]
        self._places = [place for place, one in enumerate(known) if one is None]

    def __call__(self, *values: Any) -> Any:
        whole = self._known.copy()
        for place, value in zip(self._places, values, strict=True):
            whole[place] = value
        return self._function(*whole)


def _run(step: Step, values: Sequence[Any]) -> Any:
    function, slots = step
    if len(slots) == 1:
        return function(values[slots[0]])
    return function(*[values[slot] for slot in slots])


@dataclass(slots=True, eq=False)
class _Node(Generic[P]):
    """Derivations up to a decision, and what follows each of its outcomes; or a plan."""

    derivations: list[Step] = field(default_factory=list)
    decision: Step | None = None
    after: dict[Any, "_Node[P]"] = field(default_factory=dict)
    plan: P | None = None


class Memory(Generic[P]):
    """Plans, each found by the decisions that led to it."""

    __slots__ = ("_root", "plans")

    def __init__(self) -> None:
        """Begin with none."""
        self._root: _Node[P] | None = None
        self.plans = 0

    def find(self, values: list[Any]) -> P | None:
        """Return the plan for a request's values, which are completed to all its slots.

        What a derivation raises, it raises here too.
        """
        node = self._root
        while node is not None:
            for function, slots in node.derivations:  # as `_run`, of which there are many
                if len(slots) == 1:
                    values.append(function(values[slots[0]]))
                else:
                    values.append(function(*[values[slot] for slot in slots]))
            if node.decision is None:
                return node.plan
            node = node.after.get(_run(node.decision, values))
        return None

    def keep(self, recording: Recording, plan: P, weight: int = 1) -> None:
        """Keep a plan, which counts as so many, for all that lead to the recording's decisions."""
        if self._root is None:
            self._root = _Node()
        node, reached = self._root, 0
        for step, outcome in recording.steps:
            if outcome is _DERIVED:
                if reached == len(node.derivations) and node.decision is None:
                    node.derivations.append(step)
                reached += 1
                continue
            if node.decision is None:
                node.decision = step
            node, reached = node.after.setdefault(outcome, _Node()), 0
        if node.plan is None:
            self.plans += weight
        node.plan = plan
