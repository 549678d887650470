"""The thresholds of the rules: the package's, and those that licensors have set."""

import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from importlib.resources import files
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    cast,
    func,
    select,
)

from gateway.catalogue.models import Product
from gateway.errors import BadInput
from gateway.findings.models import FindingThreshold
from gateway.findings.rule import Asked, Rule, Threshold
from gateway.kinds import NUMERIC, TEXT
from gateway.recording import param
from gateway.records.rows import json_array
from gateway.tenancy.scope import AnyScope

FILE = "thresholds.toml"
_TABLE = FindingThreshold.table()
_PLACES = 4


def packaged() -> str:
    """Return the text of the package's thresholds."""
    return (files("gateway.findings") / FILE).read_text(encoding="utf-8")


def read(text: str, rules: Iterable[Rule]) -> Mapping[tuple[str, str], Decimal]:
    """Read thresholds, rule and name -> value; BadInput for missing, unknown or wrong ones."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{FILE}: {error}", f"{FILE}：不是TOML", argument=FILE) from error
    wanted = {(rule.code.value, one.name): one for rule in rules for one in rule.thresholds}
    given: dict[tuple[str, str], Any] = {
        (rule, name): value
        for rule, table in tables.items()
        for name, value in (table.items() if isinstance(table, dict) else [("", table)])
    }
    for rule, name in wanted.keys() ^ given.keys():
        what = "missing" if (rule, name) in wanted else "not a threshold"
        raise BadInput(
            f"{FILE}: {rule}.{name} is {what}",
            f"{FILE}：{rule}.{name}{'缺失' if what == 'missing' else '不是阈值'}",
            argument=f"{rule}.{name}",
            accepted=", ".join(f"{rule}.{name}" for rule, name in wanted),
        )
    return {key: value_of(wanted[key], value, ".".join(key)) for key, value in given.items()}


def value_of(threshold: Threshold, given: object, argument: str) -> Decimal:
    """Return a threshold's value; BadInput for what is none."""
    if type(given) is int:
        given = Decimal(given)
    if (
        not isinstance(given, Decimal)
        or not given.is_finite()
        or not 0 <= given <= threshold.most
        or given != round(given, 0 if threshold.whole else _PLACES)
    ):
        kind = "a whole number" if threshold.whole else f"a number of at most {_PLACES} decimals"
        raise BadInput(
            f"{argument}: {given} is not a value",
            f"{argument}：{given}不是有效的阈值",
            argument=argument,
            accepted=f"{kind} from 0 to {threshold.most}",
        )
    return given


def limits(rule: Rule, asked: Asked, name: str = "limits") -> FromClause:
    """Return a rule's thresholds for each product in scope: product_id, and each by its name."""
    scope = asked.scope
    product = Product.table().alias("limited")
    columns: list[ColumnElement[Any]] = [product.c.product_id]
    for one in rule.thresholds:
        own = _TABLE.alias("own")
        found = (
            select(own.c.value)
            .where(
                scope.covers(own),
                own.c.product_id == product.c.product_id,
                own.c.rule == param(rule.code.value, TEXT),
                own.c.name == param(one.name, TEXT),
            )
            .correlate(product)
            .scalar_subquery()
        )
        default = cast(param(str(asked.thresholds[rule.code.value, one.name]), TEXT), NUMERIC)
        columns.append(func.coalesce(found, default).label(one.name))
    return select(*columns).where(scope.covers(product)).subquery(name)


def overrides(scope: AnyScope) -> ScalarSelect[Any]:
    """Return what was set for the products in scope, as JSON: rule, name, product_name, value."""
    own, product = _TABLE.alias("set_by_hand"), Product.table().alias("set_for")
    document = func.json_build_object(
        *("rule", own.c.rule, "name", own.c.name),
        *("product_name", product.c.name, "value", cast(own.c.value, TEXT)),
    )
    return (
        select(json_array(document, own.c.rule, own.c.name, product.c.name))
        .select_from(own.join(product, own.c.product_id == product.c.product_id))
        .where(scope.covers(own), scope.covers(product), own.c.value.is_not(None))
        .scalar_subquery()
    )
