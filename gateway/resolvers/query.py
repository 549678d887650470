"""The graph: its root fields, and the schema built of them."""

import strawberry
from graphql import GraphQLError, Undefined
from strawberry.extensions import (
    MaxTokensLimiter,
    ParserCache,
    ValidationCache,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from gateway.regulation.months import Month
from gateway.resolvers.audit_events import audit_events
from gateway.resolvers.catalogue import products, vendor, vendors
from gateway.resolvers.changes import changes
from gateway.resolvers.findings import finding_rules, findings
from gateway.resolvers.interface_specs import exchanges, interface_specs
from gateway.resolvers.licences import licences
from gateway.resolvers.monthly_stats import monthly_stats
from gateway.resolvers.node import node
from gateway.resolvers.users import users
from gateway.resolvers.viewer import viewer
from gateway.schema.audit_event import AuditEventConnection
from gateway.schema.change import ChangeConnection
from gateway.schema.documents import MAX_TOKENS, DocumentLimits
from gateway.schema.exchange import Exchange, ExchangeConnection
from gateway.schema.finding import FindingConnection
from gateway.schema.finding_rule import FindingRule
from gateway.schema.interface_spec import InterfaceSpec, InterfaceSpecConnection
from gateway.schema.licence import Licence, LicenceConnection
from gateway.schema.monthly_stat import MonthlyStatConnection
from gateway.schema.node import Node
from gateway.schema.product import Product, ProductConnection
from gateway.schema.scalars import MONTH
from gateway.schema.user import User, UserConnection
from gateway.schema.vendor import Vendor, VendorConnection
from gateway.schema.viewer import Viewer

_MOST_DOCUMENTS = 100
"""That are kept as they were read: large ones take megabytes each. Few are the executor's."""


@strawberry.type(description="All that can be asked. Nothing outside the caller's scope exists.")
class Query:
    """The query root."""

    viewer: Viewer = strawberry.field(resolver=viewer, description="Who am I, and what may I see.")
    vendors: VendorConnection = strawberry.field(
        resolver=vendors, description="The vendors in scope."
    )
    vendor: Vendor | None = strawberry.field(resolver=vendor, description="One vendor by its code.")
    users: UserConnection = strawberry.field(
        resolver=users, description="The user-detail list (一、1 用户详细信息)."
    )
    monthly_stats: MonthlyStatConnection = strawberry.field(
        resolver=monthly_stats,
        description="Monthly figures (一、2 每月用户统计信息), by month range or by year; "
        "by default the three-year window. Future months are not shown.",
    )
    changes: ChangeConnection = strawberry.field(
        resolver=changes,
        description="What a vendor's imports added, changed and superseded, recorded after `from` "
        "and not after `to` (by default now), in the order of recording.",
    )
    findings: FindingConnection = strawberry.field(
        resolver=findings,
        description="What does not look right, by vendor, product and month, the newest month and "
        "the gravest first; by default of the current month and the two before it.",
    )
    finding_rules: list[FindingRule] = strawberry.field(
        resolver=finding_rules, description="The rules by which findings are raised."
    )
    products: ProductConnection = strawberry.field(
        resolver=products, description="The products in scope."
    )
    licences: LicenceConnection = strawberry.field(
        resolver=licences,
        description="The licences in scope, by vendor, product and first day. `usageModes`: those "
        "that allow one of them.",
    )
    exchanges: ExchangeConnection = strawberry.field(
        resolver=exchanges, description="Exchanges and data companies, by code; public."
    )
    interface_specs: InterfaceSpecConnection = strawberry.field(
        resolver=interface_specs,
        description="Interface specifications, by key; public. All editions; with `current`, only "
        "the current ones (true) or only the earlier ones (false).",
    )
    audit_events: AuditEventConnection = strawberry.field(
        resolver=audit_events,
        description="The audit log of the caller's own side, for its auditors: entries from `from` "
        "on and before `to`, the newest first.",
    )
    node: Node | None = strawberry.field(resolver=node, description="Any object by its id.")


class _Schema(strawberry.Schema):
    """The schema. Errors are logged where they are masked (`http.errors`), without values."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log nothing here."""


def build_schema() -> strawberry.Schema:
    """Build the schema. Cached parsing and validation, and static limits, come with it."""
    built = _Schema(
        query=Query,
        types=[User, Vendor, Product, Licence, Exchange, InterfaceSpec],
        config=StrawberryConfig(scalar_map={Month: MONTH}),
        extensions=[
            lambda: ParserCache(maxsize=_MOST_DOCUMENTS),
            lambda: ValidationCache(maxsize=_MOST_DOCUMENTS),
            DocumentLimits,
            lambda: MaxTokensLimiter(max_token_count=MAX_TOKENS),
        ],
    )
    _leave_out_null_defaults(built)
    return built


def _leave_out_null_defaults(schema: strawberry.Schema) -> None:
    """Have the SDL say `first: Int`, not `first: Int = null`: to a caller they are the same."""
    for kind in schema._schema.type_map.values():  # noqa: SLF001 (no public way to the types)
        for field in getattr(kind, "fields", {}).values():
            for taken in (field, *getattr(field, "args", {}).values()):
                if getattr(taken, "default_value", Undefined) is None:
                    taken.default_value = Undefined
