"""The statements that the gateway runs for what is asked: what the floor runs too."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from benchmarks.asked import Asked, Figures, Users
from gateway.config.clock import today
from gateway.records.keyset import MAX_PAGE, Page, encode
from gateway.records.known import CURRENT
from gateway.records.order import BY_USER_ID, user_keys
from gateway.records.users import Fields, UserList, page
from gateway.schema.pages import order_names
from gateway.statistics.figures import StatList
from gateway.statistics.stats import stat_page
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import for_driver, settings_of

_FIELDS = Fields(
    frozenset(
        {
            *("user_id", "user_name", "user_type", "start_date", "end_date", "product_name"),
            *("usage_mode", "contact", "address", "phone", "fee_category"),
        }
    )
)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its arguments, and the SQL before it that tells the transaction its scope."""

    text: str
    arguments: list[Any]
    settings: str


def statement_of(asked: Asked, scope: Scope) -> Statement:
    """Return what the gateway runs, one statement in any case."""
    match asked:
        case Users():
            paging = Page(first=asked.first, after=cursor(asked))
            wanted = page(UserList(scope, today()), _FIELDS, paging, total=False)
        case Figures():
            number = (asked.until.year - asked.since.year) * 12
            number += asked.until.number - asked.since.number + 1
            months = tuple(asked.since.plus(at) for at in range(number))
            stats = StatList(scope, today(), months)
            wanted = stat_page(stats, {}, Page(first=MAX_PAGE), total=False)
    text, arguments = for_driver(select(wanted))
    return Statement(text, arguments, "; ".join(settings_of(scope)))


def cursor(asked: Users) -> str | None:
    """Return the gateway's cursor of the line after which the page begins."""
    if asked.after is None:
        return None
    keys = user_keys(BY_USER_ID, CURRENT, CURRENT.c.user_id, today())
    return encode(order_names(keys), [asked.after.user, asked.who, asked.after.record])
