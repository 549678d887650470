"""From what is selected of a user to what the statement has to bring."""

from gateway.records.users import Fields
from gateway.schema.selection import Selected

_VENDOR = ("vendor_code", "vendor_name")
_PRODUCT = {
    "id": ("product_name",),
    "name": ("product_name",),
    "licensor": ("licensor_code", "licensor_name"),
    "exchange": ("product_name",),
    "interfaceSpecs": ("product_name",),
}
_COLUMNS = {
    "id": ("vendor_code", "record_id"),
    "vendor": _VENDOR,
    "userId": ("user_id",),
    "userName": ("user_name",),
    "userType": ("user_type",),
    "startDate": ("start_date",),
    "endDate": ("end_date",),
    "usageMode": ("usage_mode",),
    "contact": ("contact",),
    "address": ("address",),
    "phone": ("phone",),
    "feeCategory": ("fee_category",),
    "serviceStatus": ("service_status",),
}
_DELIMITED = (
    "user_id",
    "user_name",
    "user_type",
    "fee_category",
    "start_date",
    "end_date",
    "product_name",
    "usage_mode",
    "address",
    "contact",
    "phone",
    "service_status",
)


def user_fields(selection: list[Selected]) -> Fields:
    """Return what the selected fields of users need."""
    scalars: set[str] = set()
    others: dict[str, Fields] = {}
    history: list[str] = []
    for one in selection:
        if one.name == "product":
            for part in one.below:
                scalars.update(_PRODUCT.get(part.name, ()))
        elif one.name == "otherServices":
            others[one.path] = user_fields(one.below)
        elif one.name == "history":
            history.append(one.path)
        else:
            scalars.update(_COLUMNS.get(one.name, ()))
    return Fields(frozenset(scalars), others, tuple(history))


def list_fields(connection: Selected) -> Fields:
    """Return what a user connection's selection needs: nodes, edges and the page as lines."""
    fields = user_fields([*connection.under("nodes"), *connection.under("edges", "node")])
    if "delimited" in connection.names():
        return Fields(fields.scalars | set(_DELIMITED), fields.other_services, fields.history)
    return fields
