"""The statements that the gateway runs for what is asked: what the floor runs too."""

from dataclasses import dataclass
from typing import Any

from benchmarks.asked import Users
from gateway.catalogue.formats import Formats
from gateway.compiled.operations import Operations, Wanted
from gateway.config.clock import today
from gateway.records.keyset import encode
from gateway.records.known import CURRENT
from gateway.records.order import BY_USER_ID, user_keys
from gateway.resolvers.query import build_schema
from gateway.schema.pages import order_names
from gateway.tenancy.admission import Admission

_PLAIN = Formats.of((), {})
_OPERATIONS = Operations(build_schema())


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its arguments, how it is planned, and what goes around its answer."""

    text: str
    arguments: tuple[Any, ...]
    by_values: bool
    before: bytes
    behind: bytes


def statement_of(query: str, variables: dict[str, Any], caller: Admission) -> Statement:
    """Return the very statement that the gateway runs for an operation."""
    document = _OPERATIONS.document(query, None)
    values = document.coerced(variables)
    wanted = Wanted(document, caller.stated, values, today(), _no_link, _PLAIN)
    ready = _OPERATIONS.planned(wanted) or _OPERATIONS.compiled(wanted)
    plan = ready.plan
    message = plan.sealed.message(ready.values, caller)
    return Statement(*message, plan.by_values, plan.before, plan.behind)


def _no_link(*_: Any) -> Any:
    raise AssertionError("no download is asked for")


def cursor(asked: Users) -> str | None:
    """Return the gateway's cursor of the line after which the page begins."""
    if asked.after is None:
        return None
    keys = user_keys(BY_USER_ID, CURRENT, CURRENT.c.user_id, today())
    return encode(order_names(keys), [asked.after.user, asked.who, asked.after.record])
