"""The caller, in JSON text."""

from collections.abc import Callable
from typing import Any, Final

import orjson

from gateway.compiled.objects import Row, written
from gateway.compiled.request import Request
from gateway.compiled.text import Json, gathered, marked, raw
from gateway.kinds import TEXT
from gateway.recording import derive, param
from gateway.records.catalogue_lists import vendor_rows
from gateway.records.keyset import MAX_PAGE, Page, ordering
from gateway.schema.selection import Selected
from gateway.tenancy.scope import Scope

_SAID: Final[dict[str, Callable[[Scope], Any]]] = {
    "name": lambda scope: scope.principal.name,
    "role": lambda scope: scope.principal.role.name,
    "rights": lambda scope: sorted(right.name for right in scope.rights),
    "vendor": lambda scope: scope.principal.vendor,
    "licensor": lambda scope: scope.principal.licensor,
}


def viewer(request: Request, selected: Selected) -> Json:
    """Return the root field `viewer`."""

    def vendors(one: Selected) -> Json:
        rows = vendor_rows(request.scope, None, Page(first=MAX_PAGE, peeks=False))
        row = rows.page
        item = written("Vendor", one.below, Row(rows.values(row)))
        listed = rows.select(row, gathered(item, *ordering(rows.keys(row))).text)
        return raw(listed.scalar_subquery())

    def said(one: Selected) -> Json:
        tell = _SAID[one.name]
        text = derive(lambda scope: marked(orjson.dumps(tell(scope)).decode()), request.scope.own)
        return raw(param(text, TEXT))

    fields: dict[str, Callable[[Selected], Json]] = {
        "vendors": vendors,
        **dict.fromkeys(_SAID, said),
    }
    fields = {**dict.fromkeys(_SAID, said), "vendors": vendors}
    return written("Viewer", selected.below, Row({}, fields))
