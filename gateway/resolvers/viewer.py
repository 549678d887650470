"""`viewer`: who asks. Answered from the scope alone and one statement for the names."""

from gateway.records.catalogue_lists import vendor_page
from gateway.records.keyset import MAX_PAGE, Page
from gateway.schema.context import Info
from gateway.schema.selection import selected
from gateway.schema.vendor import Vendor
from gateway.schema.viewer import Viewer


async def viewer(info: Info) -> Viewer:
    """Return the caller."""
    scope = info.context.scope
    rows = []
    if "vendors" in selected(info).names():
        document = vendor_page(scope, None, Page(first=MAX_PAGE), total=False)
        rows = (await info.context.ask(document))["rows"]
    principal = scope.principal
    return Viewer(
        name=principal.name,
        role=principal.role,
        rights=sorted(scope.rights, key=lambda right: right.value),
        vendor=principal.vendor,
        licensor=principal.licensor,
        vendors=[Vendor(row=row) for row in rows[:MAX_PAGE]],
    )
