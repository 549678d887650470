"""Users in JSON text: the list, its nested lists, and the download of it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, FromClause, func

from gateway.compiled.lists import Connection, Listed, connection, paged
from gateway.compiled.objects import Row, written
from gateway.compiled.request import Request
from gateway.compiled.text import NULL, REFUSAL, Json, chosen, gathered, number, raw
from gateway.exports.columns import cells
from gateway.kinds import TEXT
from gateway.records.filters import status_of
from gateway.records.keyset import Page
from gateway.records.order import UserOrderField
from gateway.records.users import (
    VENDOR,
    CountedBy,
    UserList,
    history_of,
    others_of,
    personal_values,
    rows_of,
    total_of,
    user_values,
)
from gateway.regulation.formats.format import ReportFormat
from gateway.resolvers.users import read_users
from gateway.schema.selection import Selected

Download = Callable[[Selected], Json]


def users(request: Request, selected: Selected) -> Json:
    """Return the root field `users`."""
    asked = read_users(request.scope, request.today, **selected.arguments)
    request.by_values |= not _is_plain(asked.listed)

    def download(one: Selected) -> Json:
        return request.download(asked.export(), one)

    def format_of(one: Selected) -> ReportFormat:
        return request.format_of(asked.export(), one)

    return listed_users(asked.listed, asked.paging, selected, download, format_of)


def _is_plain(users: UserList) -> bool:
    """Say whether one plan is the best for all values: the list follows one index, or a few.

    Sorted by several keys or by products, planned without values, it is read and sorted as a whole.
    """
    fields = [one.field for one in users.order]
    return (
        users.filter.is_empty
        and users.as_of is None
        and len(fields) == 1
        and UserOrderField.PRODUCT not in fields
    )


def listed_users(
    users: UserList,
    paging: Page,
    selected: Selected,
    download: Download,
    format_of: Callable[[Selected], ReportFormat],
    figure: CountedBy | None = None,
) -> Json:
    """Return a connection of users, of a figure's or a list of its own."""

    def total(_: Listed, __: Selected) -> Json:
        return number(total_of(users, figure))

    def delimited(listed: Listed, one: Selected) -> Json:
        columns: dict[str, ColumnElement[Any]] = {c.name: c for c in listed.rows.c}
        shown = personal_values(users, listed.rows, columns)
        columns |= {name: value() for name, value in shown.items()}
        columns["product"] = columns["product_name"]
        columns["service_status"] = status_of(listed.rows, users.today)
        found = format_of(one)
        return listed.lines(cells(found, found.users, columns, REFUSAL), found.separator)

    what = Connection(
        "UserConnection",
        "User",
        partial(user_row, users),
        {
            "totalCount": total,
            "delimited": delimited,
            "download": lambda _, one: download(one),
        },
    )
    rows = rows_of(users, paged(paging, selected), figure)
    return raw(connection(what, selected, rows))


def user_row(users: UserList, row: FromClause) -> Row:
    """Return a row of a list as it is written."""
    found = Row(
        user_values(users, row, VENDOR),
        written={"product_name": chosen(row.c.product_id, dict(users.scope.products))},
    )

    def others(selected: Selected) -> Json:
        found.used.add("vendor_code")
        listed = others_of(users, row, VENDOR)
        item = written("User", selected.below, user_row(listed.users, listed.rows))
        return raw(listed.select(gathered(item, *listed.order).text))

    def history(selected: Selected) -> Json:
        versions = history_of(users, row)
        item = written("UserVersion", selected.below, Row(versions.values))
        return raw(versions.select(gathered(item, *versions.order).text))

    found.fields.update(otherServices=others, history=history)
    return found


def one_user_text(users: UserList, selection: list[Selected]) -> Json:
    """Return the list's only user, or null without one."""
    rows = rows_of(users, Page(first=1, peeks=False))
    row = user_row(users, rows.page)
    json = written("User", selection, row)
    found = rows.select(rows.page, json.text).scalar_subquery()
    return raw(func.coalesce(found, NULL.text, type_=TEXT))
