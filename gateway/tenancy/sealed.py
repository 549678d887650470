"""Statements that can be asked again with other values: one message each way, walls and all.

The second wall looks at the statement once, when it is sealed. Whenever it is asked, the database
first admits the caller and sets the transaction's scope for row-level security; only then is it
evaluated, for CASE evaluates what it needs and nothing else, and what follows THEN is a subquery of
its own. If the order were another, the scope would not be set, and there would be no rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy import Select

from gateway.db.engine import Connections
from gateway.tenancy.admission import Admission
from gateway.tenancy.guard import check
from gateway.tenancy.reach import DATABASE_ERRORS, translated, unreachable
from gateway.tenancy.scope import Scope
from gateway.tenancy.written import Place, written

_ADMITTED: Final = (
    "SELECT CASE WHEN gateway_admits(${0}, ${1})"
    " AND set_config('gateway.vendors', ${2}, true) IS NOT NULL"
    " AND set_config('gateway.products', ${3}, true) IS NOT NULL"
    " AND set_config('gateway.licensors', ${4}, true) IS NOT NULL"
    " THEN (\n{5}\n) END"
)


@dataclass(frozen=True, slots=True)
class Answers:
    """Pools of connections: of one, statements are planned for each request's values."""

    by_values: Connections
    by_shape: Connections


class NotAdmitted(Exception):
    """The caller's key or reach is another than it was."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A statement's text, and its parameters: a slot of what is given, or a constant."""

    text: str
    parameters: Sequence[Place]

    def message(self, values: Sequence[Any], caller: Admission) -> tuple[str, tuple[Any, ...]]:
        """Return the text and its arguments, for a request's values by slot."""
        own = [constant if slot is None else values[slot] for slot, constant in self.parameters]
        return self.text, (
            *own,
            *(caller.digest, caller.ticks, caller.vendors, caller.products, caller.licensors),
        )


def seal(statement: Select[tuple[bytes]], scope: Scope) -> Sealed:
    """Return a statement of one row and column to be asked again, once the guard has passed it."""
    check(statement, scope)
    text, places = written(statement)
    own = (len(places) + i for i in range(1, 6))
    return Sealed(_ADMITTED.format(*own, text), places)


async def ask(
    connections: Connections, sealed: Sealed, values: Sequence[Any], caller: Admission
) -> bytes:
    """Return the answer; raise NotAdmitted if the caller is to be authenticated anew."""
    text, arguments = sealed.message(values, caller)
    try:
        found: bytes | None = await connections.fetch_value(text, arguments)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise translated(error) from error
    except DATABASE_ERRORS as error:
        raise unreachable() from error
    if found is None:
        raise NotAdmitted
    return found
