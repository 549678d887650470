"""Which response keys a selection has, so that fields of one key can be merged.

GraphQL specification, 5.3.2 FieldsInSetCanMerge: on types that an object can be of both, one key is
one field with the same arguments; on others it needs the same shape only.
"""

from dataclasses import dataclass, field

from .parts import Call, Variable

ANY = "Node"
"""The interface: what is selected on it is selected on all types that implement it."""


@dataclass
class Entry:
    """The field of one response key; `below` is there if it has a selection of its own."""

    name: str
    arguments: dict[str, str]
    kind: str
    below: "Scope | None"
    call: Call | None
    variables: tuple[Variable, ...]


@dataclass
class Scope:
    """The keys of one place in the response, by the type on which they are selected."""

    keys: dict[str, dict[str, Entry]] = field(default_factory=dict)

    def on(self, kind: str) -> dict[str, Entry]:
        return self.keys.setdefault(kind, {})

    def admits(self, kind: str, key: str, one: Entry) -> bool:
        """Whether a field may be selected under the key, beside what is there already."""
        for other, entries in self.keys.items():
            held = entries.get(key)
            if held is None:
                continue
            if other == kind or ANY in {other, kind}:
                if (held.name, held.arguments) != (one.name, one.arguments):
                    return False
                if held.below and one.below and not held.below.admits_all(one.below):
                    return False
            elif held.below is not None or one.below is not None or held.kind != one.kind:
                return False
        return True

    def admits_all(self, other: "Scope") -> bool:
        return all(
            self.admits(kind, key, one)
            for kind, entries in other.keys.items()
            for key, one in entries.items()
        )

    def add(self, kind: str, key: str, one: Entry) -> Entry:
        """Take a field in; return the entry that now stands for the key, never the given one."""
        entries = self.on(kind)
        held = entries.get(key)
        if held is None:
            below = None if one.below is None else Scope()
            held = entries[key] = Entry(
                one.name, one.arguments, one.kind, below, one.call, one.variables
            )
        if held.below is not None and one.below is not None:
            held.below.add_all(one.below)
        return held

    def add_all(self, other: "Scope") -> None:
        for kind, entries in other.keys.items():
            for key, one in entries.items():
                self.add(kind, key, one)
