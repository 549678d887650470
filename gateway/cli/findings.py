"""`gateway findings`, `gateway findings rules|threshold`."""

import re
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Annotated, Any, TypeVar

import typer
from sqlalchemy import select

from gateway.app.house import House
from gateway.audit.log import record
from gateway.cli.catalogue import told
from gateway.cli.duty import AT_THE_COMMAND_LINE, Purpose, acting, on_duty, stated
from gateway.cli.run import Json, in_house, tell
from gateway.config.clock import today
from gateway.errors import BadInput
from gateway.findings.book import RULES, default_of, picked
from gateway.findings.calendar import months_asked
from gateway.findings.listing import ORDER, FindingList, finding_page, rule_list
from gateway.findings.messages import message
from gateway.findings.registry import set_threshold
from gateway.findings.rule import Rule, RuleCode, Severity
from gateway.records.keyset import MAX_PAGE, Page, encode
from gateway.regulation.months import Month
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import open_session

findings = typer.Typer(help="What does not look right, and by which rules.")
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?", re.ASCII)
_MARKS = [f"{name} {direction.value}" for name, direction in ORDER.items()]
C = TypeVar("C", RuleCode, Severity)


@findings.callback(invoke_without_command=True)
def list_findings(
    context: typer.Context,
    vendor: Annotated[list[str] | None, typer.Option(help="Code of a vendor.")] = None,
    product: Annotated[list[str] | None, typer.Option(help="Name of a product.")] = None,
    rule: Annotated[list[str] | None, typer.Option(help="Code of a rule.")] = None,
    severity: Annotated[list[str] | None, typer.Option(help="LOW, MEDIUM or HIGH.")] = None,
    month: Annotated[str | None, typer.Option(help="One month: YYYYMM.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First month: YYYYMM.")] = None,
    to: Annotated[str | None, typer.Option(help="Last month: YYYYMM.")] = None,
    purpose: Purpose = AT_THE_COMMAND_LINE,
    json: Json = False,
) -> None:
    """List findings, newest month and gravest first; by default of three months."""
    if context.invoked_subcommand is not None:
        return
    if month is not None and (start is not None or to is not None):
        raise typer.BadParameter("either --month, or --from and --to")
    codes, severities = _picked(RuleCode, rule, "--rule"), _picked(Severity, severity, "--severity")

    async def work(house: House) -> None:
        async with on_duty(house) as session:
            whole = await session.scope()
        scope = whole.narrow(vendors=vendor, products=product)
        months = months_asked(today(), *_months(month, start, to))
        asked = FindingList(scope, today(), months, picked(codes, severities))
        async with open_session(house.service, scope, write=True) as session:
            with stated(purpose):
                await record(session, "findings.list", months=[str(one) for one in months])
        async for one, row in _all(house, scope, asked):
            _tell(one, row, json=json)

    in_house(work)


async def _all(
    house: House, scope: Scope, asked: FindingList
) -> AsyncIterator[tuple[Rule, dict[str, Any]]]:
    """Yield all findings, page by page on one snapshot."""
    by_number = {rule.number: rule for rule in RULES.values()}
    after: str | None = None
    async with open_session(house.service, scope) as session:
        await session.tune(statement_timeout="0", work_mem="64MB")
        while True:
            page = finding_page(asked, Page.asked(MAX_PAGE, after), total=False, evidence={})
            rows = (await session.scalar(select(page)))["rows"]
            for row in rows[:MAX_PAGE]:
                yield by_number[row["rule"]], row
            if len(rows) <= MAX_PAGE:
                return
            after = encode(_MARKS, rows[MAX_PAGE - 1]["place"])


def _tell(rule: Rule, row: dict[str, Any], *, json: bool) -> None:
    month = str(row["month"])[:7]
    said = {
        "month": month,
        "severity": rule.severity.name,
        "rule": rule.code.value,
        "vendor": row["vendor_code"],
        "product": row["product_name"],
        **{name: row[name] for name in ("subject", "observed", "limit", "expected")},
        "firstDay": row["first_day"],
        "lastDay": row["last_day"],
        "message": message(rule, row, "en"),
        "messageZh": message(rule, row, "zh"),
    }
    text = "  ".join((month, f"{rule.severity.name:6}", row["vendor_code"], row["product_name"]))
    tell(said, f"{text}  {rule.code.value}: {said['message']}", json=json)


def _months(
    month: str | None, start: str | None, to: str | None
) -> tuple[Month | None, Month | None]:
    if month is not None:
        only = Month.parse(month, argument="--month")
        return only, only
    first, last = (
        Month.parse(text, argument=name) if text else None
        for text, name in ((start, "--from"), (to, "--to"))
    )
    return first, last


def _picked(kind: type[C], names: Sequence[str] | None, where: str) -> tuple[C, ...] | None:
    if not names:
        return None
    for name in names:
        if name not in kind.__members__:
            raise typer.BadParameter(
                f"{name} is none; accepted: {', '.join(kind.__members__)}", param_hint=where
            )
    return tuple(kind[name] for name in names)


@findings.command("rules")
def list_rules(json: Json = False) -> None:
    """List the rules, their thresholds, and what licensors have set instead."""

    async def work(house: House) -> Any:
        async with on_duty(house) as session:
            scope = await session.scope()
        async with open_session(house.service, scope) as session:
            return (await session.scalar(select(rule_list(scope))))["overrides"]

    overrides = in_house(work)
    for rule in RULES.values():
        values = {
            one.name: {
                "value": str(default_of(rule, one.name)),
                "overrides": {
                    row["product_name"]: row["value"]
                    for row in overrides
                    if (row["rule"], row["name"]) == (rule.code.value, one.name)
                },
            }
            for one in rule.thresholds
        }
        said = {
            "code": rule.code.value,
            "severity": rule.severity.name,
            "title": rule.title,
            "titleZh": rule.title_zh,
            "meaning": rule.meaning,
            "source": rule.source,
            "thresholds": values,
        }
        lines = [f"{rule.code.value}  {rule.severity.name}  {rule.title} ({rule.title_zh})"]
        for name, found in values.items():
            lines.append(f"    {name} = {found['value']}")
            lines += [f"        {one}: {value}" for one, value in dict(found["overrides"]).items()]
        tell(said, "\n".join(lines), json=json)


@findings.command("threshold")
def set_threshold_command(
    rule: Annotated[str, typer.Argument(help="Code of the rule.")],
    name: Annotated[str, typer.Argument(help="Name of the threshold.")],
    value: Annotated[str, typer.Argument(help="A number, or default for the package's.")],
    licensor: Annotated[str, typer.Option(help="Code of the data company.")],
    product: Annotated[
        str | None, typer.Option(help="One of its products; all it has now if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Set a threshold for a data company's products."""

    async def work(session: OperatorSession) -> bool:
        if value != "default" and not _NUMBER.fullmatch(value):
            raise BadInput(
                f"{value!r} is not a value",
                f"“{value}”不是有效的阈值",
                argument="VALUE",
                accepted="a number, not negative, or default",
            )
        number = None if value == "default" else Decimal(value)
        return await set_threshold(session, rule, name, number, licensor=licensor, product=product)

    told(acting("operator", work), f"threshold {rule}.{name} {value}", json)
