"""Every field that could tell of another tenant has a case here, or this file fails.

A case is a list of documents. Each is asked by two vendors and two licensors, in the whole market
and in one that holds only what is the caller's: no foreign canary may occur in the answer, and the
two answers are the same byte by byte, headers, ids, cursors, totals and downloaded files included.
`VENDOR` and `PRODUCT` stand for the caller's own, `USER` for the id of one of its users; a document
that takes `$after` or `$before` is asked again with the cursor that it gave, to the list's end.
"""

import os
import re
from itertools import cycle
from typing import Any

import graphql
import pytest
from worlds import (
    BETWEEN,
    DELIVERED,
    LICENSOR_NAME,
    PRINCIPALS,
    SZSE,
    Principal,
    World,
    revealed,
    sealed,
    timeless,
)

from gateway.findings.rule import RuleCode
from gateway.records.movements import Movement
from gateway.records.order import UserOrderField
from gateway.resolvers.query import build_schema
from gateway.statistics.grid import MonthlyStatOrderField
from gateway.statistics.totals import TotalKey

SCHEMA: graphql.GraphQLSchema = build_schema()._schema
PAGE = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
VENDOR = "id code name"
PRODUCT = "id name licensor { code name }"
EXCHANGE = "id code name shortName kind pages { title address }"
EDITION = f"""
    id key code title exchange {{ {EXCHANGE} }} protocols purpose version date address isCurrent
"""
SPEC = f"{EDITION} supersedes {{ {EDITION} }} supersededBy {{ {EDITION} }}"
LICENCE = f"id vendor {{ {VENDOR} }} product {{ {PRODUCT} }} validFrom validTo usageModes"
ASKER = "viewer { vendor licensor }"
SHORT = "id userId userName"
VERSION = """
    recordedFrom recordedTo batch userName userType endDate contact address phone feeCategory
    serviceStatus
"""
SCALARS = f"""
    userId userName userType startDate endDate product {{ {PRODUCT} }} usageMode contact address
    phone feeCategory serviceStatus history {{ {VERSION} }}
"""
USER = f"""
    id vendor {{ {VENDOR} }} {SCALARS} otherServices {{ {SCALARS} otherServices {{ {SCALARS} }} }}
"""
USERS = f"totalCount delimited {PAGE} edges {{ cursor node {{ {SHORT} }} }} nodes {{ {USER} }}"
FEW = f"totalCount delimited {PAGE} nodes {{ {SHORT} product {{ name }} }}"
STAT = f"""
    vendor {{ {VENDOR} }} product {{ {PRODUCT} }} month label fullPriceCount regulatoryCount
    internalFreeCount trialCount newCount endedCount cancelledCount expiredCount price fee
    provisional rulePack
"""
COUNTS = (
    "fullPriceCount regulatoryCount internalFreeCount trialCount newCount endedCount "
    "cancelledCount expiredCount"
)
CHANGES = " ".join(f"{name} {{ before change percent }}" for name in [*COUNTS.split(), "fee"])
COMPARISONS = " ".join(
    f"{name} {{ month label {CHANGES} }}" for name in ("previousMonth", "sameMonthLastYear")
)
TOTAL = (
    f"year month label vendor {{ {VENDOR} }} product {{ {PRODUCT} }} {COUNTS} fee unpriced "
    "provisional"
)
STATS = f"totalCount delimited {PAGE} edges {{ cursor node {{ {STAT} }} }} nodes {{ {STAT} }}"
STATE = "userName userType endDate contact address phone feeCategory serviceStatus"
CHANGE = f"""
    kind vendor {{ {VENDOR} }} userId product {{ {PRODUCT} }} usageMode startDate
    batch {{ number recordedAt actor source mode }} before {{ {STATE} }} after {{ {STATE} }}
    fields {{ field heading before after }}
"""
LOG = f"""
    totalCount counts {{ added changed superseded }} {PAGE} edges {{ cursor node {{ {CHANGE} }} }}
    nodes {{ {CHANGE} }}
"""
RULE = """
    code severity title titleZh meaning meaningZh source
    thresholds { name title titleZh value overrides { product value } }
"""
FINDING = f"""
    rule {{ {RULE} }} severity vendor {{ {VENDOR} }} product {{ {PRODUCT} }} month firstDay lastDay
    subject observed limit expected message messageZh
"""
FINDINGS = f"totalCount {PAGE} edges {{ cursor node {{ {FINDING} }} }} nodes {{ {FINDING} }}"
MONTHS = 'from: "2024-01", to: "2024-06"'
FEW_MONTHS = 'from: "2024-04", to: "2024-05"'
CURSORS = "$after: String"
QUANTITIES = "quantities { category quantity }"
FEE_LINES = "feeLines { kind label from to quantity unitPrice amount }"
FEES = "feesByPack { rulePack fee }"
BY_PACK = f"{STAT} {QUANTITIES} {FEE_LINES} {FEES} unapprovedCount"
ORDERS = list(UserOrderField.__members__)
FIGURES = list(MonthlyStatOrderField.__members__)
FILTERS = (
    'search: "szse"',
    'search: "alpha"',
    'search: "名beta"',
    'userId: {equals: "SZSE.everyone"}',
    'userId: {startsWith: "szse.gamma"}, userName: {contains: "delta"}',
    'userId: {contains: "."}',
    "userTypes: [INDIVIDUAL], usageModes: [WEB]",
    "feeCategories: [FULL_PRICE, TRIAL]",
    "serviceStatuses: [EXPIRED]",
    'products: ["PRODUCT"]',
    'startBefore: "2024-01-03", endAfter: "2024-05-01"',
    'startBefore: "2024-01-03", endAfter: "2024-05-01", dateJoin: AND',
    'startFrom: "2024-01-02", startTo: "2024-01-04"',
    'endFrom: "2024-04-01", endTo: "2024-04-30"',
    'countedIn: "2024-02"',
    'countedIn: "2024-05", countedAs: TRIAL',
    'newIn: "2024-01"',
    'endedIn: "2024-04"',
    'cancelledIn: "2024-04"',
    'expiredIn: "2024-04", feeCategories: [FULL_PRICE]',
)
EXPORTS = (
    "download { url expiresAt }",
    "download(encoding: GB18030, header: true, lineEnd: CRLF) { url expiresAt }",
    'delimited(format: "szse-2010") download(format: "szse-2010@1") { url expiresAt }',
)
SEARCHES = ("vend", "VENDBETA", "beta", "行情", "港股", "X", "%", "_")


def catalogue(kind: str, part: str) -> list[str]:
    """Documents on the list of vendors or of products."""
    page = f"totalCount {PAGE} nodes {{ {part} }}"
    return [
        f"{{ {kind} {{ {page} edges {{ cursor node {{ {part} }} }} }} }}",
        f"query({CURSORS}) {{ {kind}(first: 1, after: $after) {{ {page} }} }}",
        f"query($before: String) {{ {kind}(last: 1, before: $before) {{ {page} }} }}",
        *(f'{{ {kind}(search: "{text}") {{ {page} }} }}' for text in SEARCHES),
    ]


CATALOGUE = {"vendors": catalogue("vendors", VENDOR), "products": catalogue("products", PRODUCT)}
PUBLIC = {
    kind: [
        f"{{ {ASKER} {kind} {{ totalCount {PAGE} edges {{ cursor node {{ {part} }} }} "
        f"nodes {{ {part} }} }} }}",
        f"query({CURSORS}) {{ {ASKER} {kind}(first: 4, after: $after) {{ {PAGE} "
        f"nodes {{ {part} }} }} }}",
        f"query($before: String) {{ {ASKER} {kind}(last: 4, before: $before) {{ {PAGE} "
        f"nodes {{ {part} }} }} }}",
        f'{{ {ASKER} {kind}(search: "sse") {{ totalCount nodes {{ {part} }} }} }}',
    ]
    for kind, part in (("exchanges", EXCHANGE), ("interfaceSpecs", SPEC))
}
PUBLIC["exchanges"].append(
    f'{{ {ASKER} exchanges(codes: ["SSE", "HKEX"], kinds: [EXCHANGE]) {{ nodes {{ code }} }} }}'
)
PUBLIC["interfaceSpecs"].append(
    f'{{ {ASKER} interfaceSpecs(exchanges: ["SSE"], codes: ["IS122"], protocols: [STEP], '
    'keys: ["SSE-IS122-STEP-MTP-CV0.53"], purposes: [TRADING], current: true) '
    "{ nodes { key } } }"
)
LICENCES = [
    f"{{ licences {{ totalCount {PAGE} edges {{ cursor node {{ {LICENCE} }} }} "
    f"nodes {{ {LICENCE} }} }} }}",
    f"query({CURSORS}) {{ licences(first: 1, after: $after) {{ totalCount {PAGE} "
    f"nodes {{ {LICENCE} }} }} }}",
    f"query($before: String) {{ licences(last: 1, before: $before) {{ {PAGE} "
    f"nodes {{ {LICENCE} }} }} }}",
    f'{{ licences(vendors: ["VENDOR"], products: ["PRODUCT"]) {{ nodes {{ {LICENCE} }} }} }}',
    f'{{ licences(validOn: "2024-03-01", usageModes: [DATAFEED]) {{ totalCount '
    f"nodes {{ {LICENCE} }} }} }}",
    '{ licences(validOn: "2023-03-01") { totalCount nodes { id } } }',
    f"{{ licences {{ nodes {{ vendor {{ licences {{ {LICENCE} }} }} "
    f"product {{ exchange {{ code }} interfaceSpecs {{ key }} }} }} }} }}",
]
OWN_LICENCES = [
    f"{{ vendors {{ nodes {{ {VENDOR} licences {{ {LICENCE} }} }} }} }}",
    f'{{ vendors {{ nodes {{ {VENDOR} licences(validOn: "2024-03-01") {{ validTo }} '
    'old: licences(validOn: "2023-03-01") { validTo } } } }',
    f"{{ users {{ nodes {{ vendor {{ code licences {{ {LICENCE} }} }} }} }} }}",
    f"{{ viewer {{ vendors {{ {VENDOR} licences {{ {LICENCE} }} }} }} }}",
]
INTERFACES = [
    f"{{ products {{ nodes {{ {PRODUCT} exchange {{ {EXCHANGE} }} "
    f"interfaceSpecs {{ {SPEC} }} }} }} }}",
    "{ products { nodes { name now: interfaceSpecs(current: true) { key } "
    "then: interfaceSpecs(current: false) { key } } } }",
]
VIEWER = [f"{{ viewer {{ name role rights vendor licensor vendors {{ {VENDOR} }} }} }}"]
LISTS = [
    f"{{ users {{ {USERS} }} }}",
    f"query({CURSORS}) {{ users(first: 2, after: $after) {{ {FEW} }} }}",
    f"query($before: String) {{ users(last: 3, before: $before) {{ {FEW} }} }}",
]
RULES = list(RuleCode.__members__)
DRILL_DOWN = f"users {{ {FEW} download {{ url expiresAt }} }}"

EVENT = """
    number occurredAt actor action outcome address purpose scope operation document variables rows
    personalFields file durationMicros text digest
"""
ACTS = """to: "SETTLED", actions: [
    "vendor.add", "licence.add", "import.users", "product.add", "price.set", "licensor.add"
]"""
EVENTS = f"totalCount {PAGE} nodes {{ {EVENT} }} edges {{ cursor node {{ number action }} }}"
AUDIT = [
    f"{{ auditEvents({ACTS}) {{ {EVENTS} "
    "checkpoint { chain number digest signedAt key signature } } }",
    f"query({CURSORS}) {{ auditEvents({ACTS}, first: 2, after: $after) {{ {EVENTS} }} "
    "viewer { vendor licensor } }",
    f"query($before: String) {{ auditEvents({ACTS}, last: 3, before: $before) {{ {EVENTS} }} "
    "viewer { vendor licensor } }",
    f'{{ auditEvents({ACTS}, actor: "test", from: "2024-01-01T00:00:00Z") '
    f"{{ {EVENTS} }} viewer {{ vendor licensor }} }}",
    '{ auditEvents(to: "2024-01-01T00:00:00Z") { totalCount nodes { action } } '
    "viewer { vendor licensor } }",
]
AUDITED = {
    *("Query.auditEvents", "AuditEventConnection.edges", "AuditEventConnection.nodes"),
    "AuditEvent.personalFields",
}

CASES: dict[str, list[str]] = {
    **dict.fromkeys(sorted(AUDITED), AUDIT),
    "Query.viewer": VIEWER,
    "Viewer.rights": VIEWER,
    "Viewer.vendors": VIEWER,
    "Query.vendors": CATALOGUE["vendors"],
    "VendorConnection.edges": CATALOGUE["vendors"][:1],
    "VendorConnection.nodes": CATALOGUE["vendors"][:1],
    "Query.vendor": [f'{{ vendor(code: "VENDOR") {{ {VENDOR} }} }}'],
    "Query.products": CATALOGUE["products"],
    "ProductConnection.edges": CATALOGUE["products"][:1],
    "ProductConnection.nodes": CATALOGUE["products"][:1],
    "Vendor.licences": OWN_LICENCES,
    "Product.interfaceSpecs": INTERFACES,
    "Query.licences": LICENCES,
    "LicenceConnection.edges": LICENCES[:1],
    "LicenceConnection.nodes": LICENCES[:1],
    "Licence.usageModes": LICENCES[:1],
    "Query.exchanges": PUBLIC["exchanges"],
    "ExchangeConnection.edges": PUBLIC["exchanges"][:1],
    "ExchangeConnection.nodes": PUBLIC["exchanges"][:1],
    "Exchange.pages": PUBLIC["exchanges"][:1],
    "Query.interfaceSpecs": PUBLIC["interfaceSpecs"],
    "InterfaceSpecConnection.edges": PUBLIC["interfaceSpecs"][:1],
    "InterfaceSpecConnection.nodes": PUBLIC["interfaceSpecs"][:1],
    "InterfaceSpec.protocols": PUBLIC["interfaceSpecs"][:1],
    "Query.users": [
        *LISTS,
        f'{{ users(vendors: ["VENDOR"]) {{ {FEW} }} }}',
        f'{{ users(asOf: "{BETWEEN}") {{ {USERS} }} }}',
        f'{{ users(asOf: "2024-06-01T01:30:00Z", filter: {{search: "szse"}}) {{ {FEW} }} }}',
        f'{{ users(asOf: "2024-01-01T00:00:00Z") {{ {USERS} }} a: users {{ totalCount }} }}',
        *(f"{{ users(filter: {{ {text} }}) {{ {FEW} }} }}" for text in FILTERS),
        *(
            f"query({CURSORS}) {{ users(first: 8, after: $after, orderBy: [{{field: {field}, "
            f"direction: {direction}}}]) {{ totalCount {PAGE} nodes {{ {SHORT} }} }} }}"
            for field, direction in zip(ORDERS, cycle(("DESC", "ASC")), strict=False)
        ),
    ],
    "User.otherServices": [
        f"{{ users {{ nodes {{ otherServices {{ {SCALARS} }} }} }} }}",
        f'{{ users(asOf: "{BETWEEN}") {{ nodes {{ otherServices {{ {SCALARS} }} }} }} }}',
        f"{{ users {{ nodes {{ otherServices {{ {USER} }} }} }} }}",
    ],
    "User.history": [
        "{ users { nodes { history { recordedFrom recordedTo userName } } } }",
        f'{{ users(asOf: "{BETWEEN}") {{ nodes {{ history {{ recordedTo userName }} }} }} }}',
    ],
    "UserConnection.edges": [f"{{ users {{ edges {{ cursor node {{ {USER} }} }} }} }}"],
    "UserConnection.nodes": LISTS[:1],
    "UserConnection.delimited": [f"{{ users {{ {export} }} }}" for export in EXPORTS[-1:]],
    "UserConnection.download": [
        *(f"{{ users {{ {export} }} }}" for export in EXPORTS),
        f'{{ users(asOf: "{BETWEEN}", vendors: ["VENDOR"]) {{ {EXPORTS[0]} }} }}',
        "{ users(orderBy: [{field: PRODUCT, direction: DESC}, {field: START_DATE}]) "
        f"{{ {EXPORTS[0]} }} }}",
        *(f"{{ users(filter: {{ {text} }}) {{ {EXPORTS[1]} }} }}" for text in FILTERS),
    ],
    "Query.monthlyStats": [
        f"{{ monthlyStats({MONTHS}) {{ {STATS} }} }}",
        "{ monthlyStats { totalCount delimited } }",
        f'{{ monthlyStats(year: 2024, vendors: ["VENDOR"], products: ["PRODUCT"]) {{ {STATS} }} }}',
        f'{{ monthlyStats({MONTHS}, asOf: "{BETWEEN}") {{ nodes {{ {STAT} }} }} }}',
        *(
            f"query({CURSORS}) {{ monthlyStats({FEW_MONTHS}, first: 6, after: $after, orderBy: "
            f"[{{field: {field}, direction: {direction}}}]) {{ totalCount {PAGE} "
            "nodes { vendor { code } product { name } month fee } } }"
            for field, direction in zip(FIGURES, cycle(("ASC", "DESC")), strict=False)
        ),
        f'{{ monthlyStats({MONTHS}, asOf: "{BETWEEN}") {{ {STATS} }} }}',
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ {COMPARISONS} }} }} }}",
        f'{{ monthlyStats({FEW_MONTHS}, asOf: "{BETWEEN}") {{ nodes {{ vendor {{ code }} '
        f"{COMPARISONS} }} }} }}",
        *(
            f'{{ monthlyStats({MONTHS}{instant}, rulePack: "{pack}") {{ totalCount delimited '
            f"totals {{ {TOTAL} }} {PAGE} nodes {{ {BY_PACK} {COMPARISONS} }} "
            f"download {{ url expiresAt }} }} }}"
            for pack, instant in (
                ("everything", ""),
                ("each-mode@1", f', asOf: "{BETWEEN}"'),
                ("averaged", ""),
                ("szse-2010", f', asOf: "{BETWEEN}"'),
            )
        ),
        f"query({CURSORS}) {{ monthlyStats({FEW_MONTHS}, first: 6, after: $after, rulePack: "
        f'"averaged", orderBy: [{{field: FEE, direction: DESC}}]) {{ {PAGE} '
        "nodes { vendor { code } product { name } month fee } } }",
    ],
    "MonthlyStat.quantities": [
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ {STAT} {QUANTITIES} }} }} }}"
    ],
    "MonthlyStat.feeLines": [
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ {STAT} {FEE_LINES} }} }} }}",
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ product {{ name }} {FEE_LINES} }} }} }}",
    ],
    "MonthlyStat.feesByPack": [
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ {STAT} {FEES} }} }} }}",
        f"{{ monthlyStats({FEW_MONTHS}) {{ nodes {{ product {{ name }} "
        'feesByPack(packs: ["everything", "averaged@2"]) { rulePack fee } } } }',
    ],
    "MonthlyStat.users": [
        f"{{ monthlyStats({FEW_MONTHS}) {{ nodes {{ {DRILL_DOWN} }} }} }}",
        f'{{ monthlyStats({FEW_MONTHS}, asOf: "{BETWEEN}") {{ nodes {{ {DRILL_DOWN} }} }} }}',
        f"{{ monthlyStats({FEW_MONTHS}) {{ edges {{ node {{ users {{ {USERS} }} }} }} }} }}",
        *(
            f"{{ monthlyStats({MONTHS}{instant}) {{ nodes {{ users(movement: {movement}) "
            f"{{ {FEW} download {{ url expiresAt }} }} }} }} }}"
            for movement, instant in zip(
                Movement.__members__, cycle(("", f', asOf: "{BETWEEN}"')), strict=False
            )
        ),
        f"{{ monthlyStats({MONTHS}) {{ nodes {{ users(movement: NEW, category: TRIAL) "
        f"{{ {FEW} download {{ url expiresAt }} }} }} }} }}",
        *(
            f'{{ monthlyStats({FEW_MONTHS}, rulePack: "{pack}") {{ nodes {{ vendor {{ code }} '
            f"{DRILL_DOWN} new: users(movement: NEW, category: TRIAL) "
            f"{{ {FEW} download {{ url expiresAt }} }} }} }} }}"
            for pack in ("everything", "each-mode")
        ),
        f"query({CURSORS}) {{ monthlyStats({FEW_MONTHS}) {{ nodes {{ users(first: 1, after: $after, "
        'category: TRIAL, filter: {search: "szse"}, orderBy: [{field: USER_NAME}]) '
        f"{{ totalCount {PAGE} nodes {{ {SHORT} }} }} }} }} }}",
    ],
    "MonthlyStatConnection.edges": [f"{{ monthlyStats({MONTHS}) {{ {STATS} }} }}"],
    "MonthlyStatConnection.nodes": [f"{{ monthlyStats({MONTHS}) {{ {STATS} }} }}"],
    "MonthlyStatConnection.totals": [
        f"{{ monthlyStats({MONTHS}, first: 1) {{ totals {{ {TOTAL} }} }} }}",
        f"{{ monthlyStats({MONTHS}) {{ totals(by: []) {{ {TOTAL} }} }} }}",
        *(
            f"{{ monthlyStats({MONTHS}{instant}) {{ totals(by: [{key}]) {{ {TOTAL} }} }} }}"
            for key in TotalKey.__members__
            for instant in ("", f', asOf: "{BETWEEN}"')
        ),
        f'{{ monthlyStats({MONTHS}, vendors: ["VENDOR"], products: ["PRODUCT"]) '
        f"{{ totals(by: [PRODUCT, VENDOR, MONTH, YEAR]) {{ {TOTAL} }} }} }}",
    ],
    "MonthlyStatConnection.delimited": [
        f"{{ monthlyStats({MONTHS}) {{ {export} }} }}" for export in EXPORTS[-1:]
    ],
    "MonthlyStatConnection.download": [
        *(f"{{ monthlyStats({MONTHS}) {{ {export} }} }}" for export in EXPORTS),
        f'{{ monthlyStats({MONTHS}, asOf: "{BETWEEN}") {{ {EXPORTS[0]} }} }}',
        f'{{ monthlyStats(products: ["PRODUCT"], orderBy: [{{field: FEE}}]) {{ {EXPORTS[0]} }} }}',
    ],
    "Query.changes": [
        f'{{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z") {{ {LOG} }} }}',
        f'{{ changes(vendor: "VENDOR", from: "{BETWEEN}", products: ["PRODUCT"]) {{ {LOG} }} }}',
        f'{{ changes(vendor: "VENDOR", from: "2024-06-01T00:30:00Z", to: "{BETWEEN}", '
        f"kinds: [CHANGED, SUPERSEDED]) {{ {LOG} }} }}",
        f'query({CURSORS}) {{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z", first: 3, '
        f"after: $after) {{ {PAGE} nodes {{ {CHANGE} }} }} }}",
        f'query($before: String) {{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z", last: 3, '
        f"before: $before) {{ {PAGE} nodes {{ kind userId }} }} }}",
    ],
    "Change.fields": [f'{{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z") {{ {LOG} }} }}'],
    "ChangeConnection.edges": [
        f'{{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z") {{ {LOG} }} }}'
    ],
    "ChangeConnection.nodes": [
        f'{{ changes(vendor: "VENDOR", from: "2024-01-01T00:00:00Z") {{ {LOG} }} }}'
    ],
    "Query.findings": [
        f"{{ findings({MONTHS}) {{ {FINDINGS} }} }}",
        f'{{ findings({MONTHS}, vendors: ["VENDOR"], products: ["PRODUCT"]) {{ {FINDINGS} }} }}',
        f'{{ findings({MONTHS}, asOf: "{BETWEEN}") {{ {FINDINGS} }} }}',
        f"query({CURSORS}) {{ findings({MONTHS}, first: 3, after: $after) {{ totalCount {PAGE} "
        f"nodes {{ {FINDING} }} }} }}",
        *(f"{{ findings({MONTHS}, rules: [{rule}]) {{ {FINDINGS} }} }}" for rule in RULES),
        f"{{ findings({MONTHS}, severities: [LOW]) {{ {FINDINGS} }} }}",
    ],
    "Finding.evidence": [
        f"{{ findings({MONTHS}) {{ nodes {{ evidence {{ {USERS} download {{ url expiresAt }} }} }} "
        "} }",
        f'{{ findings({MONTHS}, asOf: "{BETWEEN}") {{ nodes {{ evidence {{ {FEW} }} }} }} }}',
        f"query({CURSORS}) {{ findings({FEW_MONTHS}, rules: [SHARED_NAME]) {{ nodes {{ "
        f"evidence(first: 1, after: $after) {{ totalCount {PAGE} nodes {{ {SHORT} }} }} }} }} }}",
    ],
    "FindingConnection.edges": [f"{{ findings({MONTHS}) {{ {FINDINGS} }} }}"],
    "FindingConnection.nodes": [f"{{ findings({MONTHS}) {{ {FINDINGS} }} }}"],
    "Query.findingRules": [f"{{ findingRules {{ {RULE} }} }}"],
    "FindingRule.thresholds": [f"{{ findingRules {{ {RULE} }} }}"],
    "FindingThreshold.overrides": [f"{{ findingRules {{ {RULE} }} }}"],
    "Query.node": [
        f'{{ node(id: "{node}") {{ id __typename ... on User {{ {USER} }} '
        f"... on Vendor {{ {VENDOR} }} ... on Product {{ {PRODUCT} }} }} }}"
        for node in ("USER", "VENDORID", "PRODUCTID")
    ]
    + [
        f'{{ {ASKER} node(id: "{node}") {{ id __typename ... on {kind} {{ {part} }} }} }}'
        for node, kind, part in (
            ("LICENCEID", "Licence", LICENCE),
            ("EXCHANGEID", "Exchange", EXCHANGE),
            ("SPECID", "InterfaceSpec", SPEC),
        )
    ],
}


def watched(schema: graphql.GraphQLSchema) -> set[str]:
    """The fields that need a case: of the roots, with arguments, and all lists and downloads."""
    roots = {schema.query_type, schema.mutation_type, schema.subscription_type}
    return {
        f"{kind.name}.{name}"
        for kind in schema.type_map.values()
        if isinstance(kind, graphql.GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if kind in roots
        or field.args
        or name == "download"
        or isinstance(graphql.get_nullable_type(field.type), graphql.GraphQLList)
        or graphql.get_named_type(field.type).name.endswith("Connection")
    }


def used(documents: list[str]) -> set[str]:
    """The fields that documents ask for, the arguments and the input fields that they give."""
    found = set[str]()
    info = graphql.TypeInfo(SCHEMA)

    class Collector(graphql.Visitor):
        def enter_field(self, node: graphql.FieldNode, *_: Any) -> None:
            here = f"{info.get_parent_type()}.{node.name.value}"
            found.add(here)
            found.update(f"{here}({argument.name.value})" for argument in node.arguments or ())

        def enter_object_field(self, node: graphql.ObjectFieldNode, *_: Any) -> None:
            kind = graphql.get_named_type(info.get_parent_input_type())
            found.add(f"{kind}.{node.name.value}")

    for document in documents:
        graphql.visit(graphql.parse(document), graphql.TypeInfoVisitor(info, Collector()))
    return found


def test_every_field_has_its_case() -> None:
    assert watched(SCHEMA) == set(CASES)


def test_a_new_field_would_need_one() -> None:
    schema = graphql.build_schema(
        "type Query { a: Int b: B } type Mutation { c: Int } "
        "type B { d: Int e: [Int!]! f(g: Int): Int download: Int h: HConnection } "
        "type HConnection { i: Int }"
    )
    assert watched(schema) == {
        *("Query.a", "Query.b", "Mutation.c", "B.e", "B.f", "B.download", "B.h")
    }


@pytest.mark.parametrize("field", CASES)
def test_a_case_asks_its_field_with_every_argument(field: str) -> None:
    kind, name = field.split(".")
    definition = SCHEMA.type_map[kind].fields[name]
    asked = used(CASES[field])
    assert field in asked
    assert {f"{field}({argument})" for argument in definition.args} <= asked


def test_the_cases_use_every_filter_and_field() -> None:
    asked = used([document for documents in CASES.values() for document in documents])
    kinds = [kind for kind in SCHEMA.type_map.values() if not kind.name.startswith("__")]
    for kind in kinds:
        if isinstance(kind, graphql.GraphQLObjectType | graphql.GraphQLInputObjectType):
            assert {f"{kind.name}.{name}" for name in kind.fields} - asked == set()


async def documents_for(who: Principal, field: str, world: World) -> list[str]:
    """Return a field's documents with the caller's own names and ids in them."""
    vendor, product = who.pairs[0]
    user = (await world.answer(who, "{ users(first: 1) { nodes { id } } }"))["users"]["nodes"][0]
    own = {
        "VENDORID": sealed(["Vendor", vendor]),
        "PRODUCTID": sealed(["Product", product]),
        "LICENCEID": sealed(["Licence", vendor, product, "2024-01-01"]),
        "EXCHANGEID": sealed(["Exchange", "SZSE"]),
        "SPECID": sealed(["InterfaceSpec", DELIVERED[product]]),
        "USER": user["id"],
        "SETTLED": world.settled.isoformat(),
        "VENDOR": vendor,
        "PRODUCT": product,
    }
    return [
        re.sub(r'"([A-Z]+)"', lambda match: f'"{own.get(match[1], match[1])}"', document)
        for document in CASES[field]
    ]


async def all_told(world: World, who: Principal, document: str) -> str:
    """Ask a document, page by page where it takes a cursor."""
    told = [await world.told(who, document)]
    for name, end in (("after", "endCursor"), ("before", "startCursor")):
        while f"${name}" in document and (found := re.findall(rf'"{end}":"([^"]+)"', told[-1])):
            told.append(await world.told(who, document, **{name: found[-1]}))
            assert len(told) < 60
    return "\n".join(told)


@pytest.mark.parametrize(
    ("field", "who"),
    [pytest.param(field, who, id=f"{field}-{who.code}") for field in CASES for who in PRINCIPALS],
)
async def test_a_field_tells_nothing_of_others(
    market: World, alone: dict[Principal, World], field: str, who: Principal
) -> None:
    await _tells_nothing(market, alone[who], field, who, "compiled", PRINCIPALS.index(who) % 2)


@pytest.mark.parametrize("field", CASES)
async def test_neither_does_the_executor(
    market: World, alone: dict[Principal, World], field: str
) -> None:
    async with market.executing() as one, alone[SZSE].executing() as other:
        await _tells_nothing(one, other, field, SZSE, "executor; reason=not asked for", 1)


_NAMES = {word for pair in LICENSOR_NAME.items() for word in pair}
PUBLIC = {field: _NAMES for field in CASES if field.startswith(("Exchange", "InterfaceSpec"))}
PUBLIC |= dict.fromkeys(("Query.exchanges", "Query.interfaceSpecs", "Query.node"), _NAMES)
"""Exchanges and data companies are published: the catalogue names them all to everybody."""


WHOLE = os.environ.get("GATEWAY_CASES") == "all"
_MANY = 4


async def _tells_nothing(
    market: World, alone: World, field: str, who: Principal, way: str, turn: int
) -> None:
    """Ask a field's documents: where there are many, every other one from `turn` on.

    So a vendor, a data company and the executor or the other pair ask each; GATEWAY_CASES=all has
    everybody ask all of them.
    """
    own_is_told = False
    asked = await documents_for(who, field, market)
    caller = who.auditor if field in AUDITED else who
    asked_alone = await documents_for(who, field, alone)
    assert field in AUDITED or asked == asked_alone
    step = 1 if WHOLE or len(asked) <= _MANY else 2
    start = turn if step > 1 else 0
    pairs = list(zip(asked, asked_alone, strict=True))
    for document, same in pairs[start::step]:
        told, by_itself = (
            await all_told(market, caller, document),
            await all_told(alone, caller, same),
        )
        ways = (way, "executor; reason=field", "executor; reason=rulePack")
        assert any(f"('gateway-execution', '{one}')" in told for one in ways)
        shown = revealed(told)
        assert '"errors"' not in shown, shown
        assert not [word for word in who.canaries - PUBLIC.get(field, set()) if word in shown]
        own_is_told |= any(word in shown for word in who.own | {who.code})
        if field in AUDITED:
            assert timeless(told) == timeless(by_itself)
        else:
            assert told == by_itself
    # HKEX's users have one service each
    assert own_is_told != ((field, who.code) == ("User.otherServices", "HKEX"))


def test_each_canary_is_somebodys() -> None:
    for who in PRINCIPALS:
        others = set().union(*(other.own for other in PRINCIPALS if other is not who))
        assert len(who.canaries & others) >= 5
        assert not who.canaries & who.own
