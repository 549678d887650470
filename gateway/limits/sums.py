"""How many sums a list of figures has: by the months, vendors and products that they are of."""

from graphql import FieldNode

from gateway.config.clock import today
from gateway.errors import GatewayError
from gateway.limits.given import Given, argument_of
from gateway.regulation.months import Month
from gateway.statistics.grid import months_between


def sums_of(totals: FieldNode, figures: FieldNode, given: Given) -> int:
    """Return how many sums there are of figures; none of what is refused when it runs."""
    by = argument_of(totals, "by", given)
    keys = ["MONTH"] if by is None else by if isinstance(by, list) else [by]
    names = {str(getattr(key, "value", key)) for key in keys}
    number = given.vendors if "VENDOR" in names else 1
    number *= given.products if "PRODUCT" in names else 1
    months = _months(figures, given)
    if "MONTH" in names:
        return number * months
    return number * (months // 12 + 1) if "YEAR" in names else number


def _months(figures: FieldNode, given: Given) -> int:
    """Return how many months a list of figures is asked for."""
    first, last, year = (argument_of(figures, name, given) for name in ("from", "to", "year"))
    try:
        first, last = (Month.parse(one) if isinstance(one, str) else one for one in (first, last))
        return len(months_between(today(), first, last, year))
    except (GatewayError, ValueError, TypeError):
        return 0
