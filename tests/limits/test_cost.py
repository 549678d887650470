"""The formula of cost by values, and the bucket by a clock of the test's own."""

import random

import pytest
from graphql import GraphQLSchema, OperationDefinitionNode, get_introspection_query, parse

from gateway.config.clock import today
from gateway.errors import CostLimit, RateLimited
from gateway.limits.cost import BASE, Cost, Estimate
from gateway.limits.spending import LONG, MOST_UNREAD, Allowance, Spending
from gateway.regulation.months import Month
from gateway.resolvers.query import build_schema
from gateway.schema.documents import fragments_of
from gateway.statistics.grid import WINDOW
from gateway.statistics.totals import TotalKey

SCHEMA: GraphQLSchema = build_schema()._schema


def cost(query: str, **values: object) -> int:
    """Points beyond the base."""
    document = parse(query)
    (operation,) = (one for one in document.definitions if isinstance(one, OperationDefinitionNode))
    return Cost(SCHEMA, operation, fragments_of(document)).of(values).cost - BASE


@pytest.mark.parametrize(
    ("query", "points"),
    [
        ("{ __typename }", 0),
        ("{ viewer { name role } }", 1),
        ("{ users(first: 10) { nodes { userId } } }", 1 + 10),
        ("{ users(first: 10) { edges { cursor node { userId } } } }", 1 + 10 * 2),
        ("{ users { nodes { userId product { name licensor { name } } } } }", 1 + 50 * 3),
        ("{ users(first: null) { nodes { userId } } }", 51),
        ("{ users(first: 99999) { nodes { userId } } }", 1001),
        ("{ users(first: -5) { nodes { userId } } }", 1),
        (
            "{ users(first: 10) { totalCount delimited pageInfo { hasNextPage } } }",
            1 + 100 + 10 + 1,
        ),
        ("{ users(first: 4) { nodes { history { batch } } } }", 1 + 4 * (1 + 3)),
        ("{ monthlyStats(first: 12) { nodes { month } } }", 1 + 12 * 10),
        ("{ a: viewer { name } b: viewer { name } }", 2),
        ("{ viewer { name } viewer { role } }", 1),
        ("{ viewer { name } ...A } fragment A on Query { viewer { role } }", 1),
        ("{ viewer @skip(if: true) { name } }", 0),
        ("{ ... @include(if: false) { viewer { name } } }", 0),
        ("{ ...A ...A } fragment A on Query { viewer { name } }", 1),
        ('{ node(id: "x") { id ... on User { product { name } } } }', 2),
        # each type, and its name
        ("{ __schema { types { name } } }", 2000 + 2 * len(SCHEMA.type_map)),
        ("{ __schema { queryType { name } } }", 2000 + 2),
    ],
)
def test_points_of_a_document(query: str, points: int) -> None:
    assert cost(query) == points


FIGURES = "{ monthlyStats(first: 1, from: %s) { totals%s { newCount } } }"


@pytest.mark.parametrize(
    ("months", "by", "sums"),
    [
        ('"2024-01", to: "2024-12"', "", 12),
        ('"202401", to: "2025-12"', "(by: [MONTH])", 24),
        ('"2024-01", to: "2024-12"', "(by: [])", 1),
        ('"2024-01", to: "2025-12"', "(by: [YEAR, MONTH])", 24),
        ('"2024-01", to: "2025-12"', "(by: YEAR)", 3),
        ('"2024-01", to: "2024-12"', "(by: [MONTH, VENDOR, PRODUCT])", 12 * 20 * 5),
        ('"1990-01", to: "2025-12"', "(by: [PRODUCT, MONTH])", 432 * 5),
        ("null, year: 2024", "(by: [MONTH])", 12),
        ('"2024-02", to: "2024-01"', "(by: [MONTH])", 0),
        ('"1900-01", to: "2025-12"', "(by: [MONTH])", 0),  # refused when it runs
        ('"nonsense"', "(by: [MONTH])", 0),
    ],
)
def test_sums_cost_by_what_they_are_of(months: str, by: str, sums: int) -> None:
    assert cost(FIGURES % (months, by)) == 1 + 1000 + 10 * sums


def test_sums_cost_by_the_variables() -> None:
    query = """query ($from: Month, $year: Int, $by: [TotalKey!]) {
        monthlyStats(from: $from, year: $year, first: 1) { totals(by: $by) { newCount } } }"""
    by = [TotalKey.MONTH, TotalKey.VENDOR]
    assert cost(query) == 1 + 1000 + WINDOW * 10
    assert cost(query, year=2024, by=by) == 1 + 1000 + 12 * 20 * 10
    months = (today().year - 2000) * 12 + today().month
    assert cost(query, **{"from": Month(2000, 1)}) == 1 + 1000 + months * 10


def test_what_looks_at_all_is_due_whatever_comes() -> None:
    """Also beside what has many objects, or is introspection."""

    def estimate(query: str) -> Estimate:
        (operation,) = parse(query).definitions
        assert isinstance(operation, OperationDefinitionNode)
        return Cost(SCHEMA, operation, {}).of({})

    for beside in ("", "users(first: 1000) { nodes { userId } }"):
        found = estimate(f"{{ findings(first: 0) {{ totalCount }} {beside} }}")
        assert BASE + 1100 <= found.of_answer(1) < BASE + 1110
    # each figure has its own, which comes with it
    found = estimate("{ monthlyStats(first: 1000) { nodes { feesByPack { fee } } } }")
    assert found.of_answer(1) < BASE + 20
    found = estimate("{ __schema { queryType { name } } users { totalCount } }")
    assert found.of_answer(2) == found.of_answer(9000) == found.cost


def test_points_follow_the_variables() -> None:
    query = """
        query ($a: Int, $b: Int, $on: Boolean!) {
            monthlyStats(first: $a) { nodes { users(first: $b) { nodes @include(if: $on) { id } } } }
        }"""
    rng = random.Random(1)
    for _ in range(100):
        a, b, on = rng.randrange(1001), rng.randrange(1001), rng.random() < 0.5
        assert cost(query, a=a, b=b, on=on) == 1 + a * (10 + 1 + (b if on else 0))
    assert cost(query, on=True) == 1 + 50 * (10 + 1 + 50)


def test_the_executor_looks_at_each_field() -> None:
    query = "{ users(first: 10) { nodes { userId __typename product { name } } } viewer { name } }"
    document = parse(query)
    (operation,) = document.definitions
    assert isinstance(operation, OperationDefinitionNode)
    estimate = Cost(SCHEMA, operation, {}).of({})
    fields = 10 * 3 + 1
    assert (estimate.fields, estimate.executing) == (fields, 3 * fields)


def test_the_schema_is_told_once_and_not_a_thousand_times() -> None:
    assert cost(get_introspection_query(directive_is_repeatable=True)) < 50_000
    leaves = " ".join(f"b{i}: name" for i in range(14))
    deep = "type { ...G ofType { ...G } }"
    often = " ".join(f"a{i}: fields {{ {deep} }}" for i in range(35))
    fragment = f"fragment G on __Type {{ fields {{ {leaves} }} }}"
    for wide in (
        f"{{ __schema {{ types {{ {often} }} }} }}",
        f"query($y: Boolean!) {{ __schema {{ types {{ ... @include(if: $y) {{ {often} }} }} }} }}",
    ):
        assert cost(f"{wide} {fragment}", y=True) > 1_000_000


def test_long_answers_that_wait_to_be_read_are_bounded() -> None:
    refused: list[str] = []
    spending = Spending(Allowance(1000, 2000, 10, 5), exceeded=refused.append)
    tenant, other = spending.enter("ALPHA"), spending.enter("BETA")
    with tenant.telling(MOST_UNREAD):
        spending.hold(tenant, LONG)  # a short one
        spending.hold(other, MOST_UNREAD)
        with pytest.raises(RateLimited, match="128 MiB"):
            spending.hold(tenant, LONG + 1)
        with tenant.telling(LONG):
            assert tenant.unread == MOST_UNREAD
    assert (tenant.unread, refused) == (0, ["unread"])
    spending.hold(tenant, 2 * MOST_UNREAD)  # a single one has its own limit, its cost


def test_what_came_is_charged_in_proportion() -> None:
    estimate = Estimate(cost=BASE + 1000, objects=500)
    assert [estimate.of_answer(n) for n in (0, 250, 500, 900)] == [
        BASE,
        BASE + 500,
        BASE + 1000,
        BASE + 1000 + 400,
    ]
    assert Estimate(BASE, 0).of_answer(0) == BASE


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_drains_refunds_and_says_how_long() -> None:
    clock = Clock()
    spending = Spending(Allowance(1000, 2000, 10, 5), clock=clock)
    tenant = spending.enter("a")
    spending.charge(tenant, 1000)
    spending.leave(tenant)
    spending.charge(spending.enter("a"), 900)
    assert tenant.level == 1900
    assert spending.enter("a") is tenant
    with pytest.raises(RateLimited) as refused:
        spending.enter("a")
    assert refused.value.seconds == 10
    spending.settle(tenant, -500)
    assert tenant.level == 1500
    clock.now = 1000.0
    spending.enter("a")
    assert tenant.level == spending.enter("b").level == BASE


def test_what_may_never_run_takes_nothing() -> None:
    spending = Spending(Allowance(1000, 2000, 10, 5), clock=Clock())
    tenant = spending.enter("a")
    with pytest.raises(CostLimit):
        spending.charge(tenant, 1001)
    assert tenant.level == BASE
    with pytest.raises(CostLimit):
        spending.surcharge(tenant, 2001)
    with pytest.raises(RateLimited):
        spending.surcharge(tenant, 2000)
    spending.surcharge(tenant, 1500)
    assert tenant.level == BASE + 1500


def test_no_more_than_so_many_at_once() -> None:
    spending = Spending(Allowance(1000, 10_000, 10, 2), clock=Clock())
    first, _ = spending.enter("a"), spending.enter("a")
    with pytest.raises(RateLimited):
        spending.enter("a")
    spending.enter("b")
    spending.leave(first)
    assert spending.enter("a") is first


def test_measuring_lets_everything_through() -> None:
    told: list[str] = []
    allowance = Allowance(1000, 1000, 10, 1, enforced=False)
    spending = Spending(allowance, exceeded=told.append, clock=Clock())
    for _ in range(3):
        spending.charge(spending.enter("a"), 5000)
    assert set(told) == {"cost", "rate", "concurrency"}
