"""The root fields that are compiled."""

from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Final

from gateway.compiled.catalogue import (
    product_by_name,
    products,
    vendor,
    vendor_by_code,
    vendors,
)
from gateway.compiled.changes import changes
from gateway.compiled.monthly import monthly_stats
from gateway.compiled.request import Request, Uncompiled
from gateway.compiled.text import NULL, Json
from gateway.compiled.uncompiled import KINDS
from gateway.compiled.users import one_user_text, users
from gateway.compiled.viewer import viewer
from gateway.recording import decide, derive
from gateway.resolvers.node import one_user, read_id
from gateway.schema.selection import Selected

Compiler = Callable[[Request, Selected], Json]


def node(request: Request, selected: Selected) -> Json:
    """Return the root field `node`: the type is told by the id."""
    read = derive(read_id, selected.arguments["id"])
    kind = decide(itemgetter(0), read)
    if kind is None or selected.as_type is None:
        return NULL
    if kind in KINDS:
        raise Uncompiled("field")
    parts = derive(itemgetter(1), read)
    first = derive(itemgetter(0), parts)
    below = selected.as_type(kind)
    if kind == "Vendor":
        return vendor_by_code(request, first, below)
    if kind == "Product":
        return product_by_name(request, first, below)
    listed = one_user(request.scope, request.today, first, derive(itemgetter(1), parts))
    return NULL if listed is None else one_user_text(listed, below)


ROOTS: Final[Mapping[str, Compiler]] = {
    "viewer": viewer,
    "vendors": vendors,
    "vendor": vendor,
    "users": users,
    "monthlyStats": monthly_stats,
    "changes": changes,
    "products": products,
    "node": node,
}
