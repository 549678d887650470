"""Rule packs: their definitions, and which one is in use for a product from a month on."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects import postgresql

from gateway.catalogue import registry
from gateway.catalogue.models import Product, ProductPack, RulePackDefinition
from gateway.errors import BadInput, NotFound
from gateway.regulation.months import Month
from gateway.regulation.packs import SZSE_2010, RulePack, reference
from gateway.tenancy.operator import OperatorSession
from gateway.tenancy.scope import AnyScope

_DEFINITIONS = RulePackDefinition.table()
_USES = ProductPack.table()
MOST_PACKS: Final = 30
"""Rule packs that there can be, versions aside: as many as one statement compares."""
_ADDING: Final = 733120412
"""The key of the advisory lock by which those who add packs wait for each other."""


async def add_pack(session: OperatorSession, pack: RulePack) -> bool:
    """Add a rule pack's definition; return whether it is new. A version never changes."""
    if pack.name == SZSE_2010.name:
        raise BadInput(
            f"{pack.name} is built in",
            f"{pack.name}是内置规则包",
            argument="name",
            accepted="a name of its own",
        )
    found = (
        await session.execute(
            select(_DEFINITIONS.c.summary, _DEFINITIONS.c.options).where(
                _DEFINITIONS.c.name == pack.name, _DEFINITIONS.c.version == pack.version
            )
        )
    ).first()
    if found is not None:
        if (found.summary, found.options) == (pack.summary, pack.options):
            return False
        raise BadInput(
            f"{pack} says something else already, and figures carry its name",
            f"{pack}已有另一定义，且已用于统计数字",
            argument="version",
            accepted="a version that is not taken",
        )
    await session.execute(select(func.pg_advisory_xact_lock(_ADDING)))
    held = set((await session.execute(select(_DEFINITIONS.c.name).distinct())).scalars())
    if pack.name not in held and len(held) + 1 >= MOST_PACKS:
        raise BadInput(
            f"there are {MOST_PACKS} rule packs already",
            f"规则包已有{MOST_PACKS}个",
            argument="name",
            accepted="a new version of one of them",
        )
    await session.execute(
        insert(_DEFINITIONS).values(
            name=pack.name, version=pack.version, summary=pack.summary, options=pack.options
        )
    )
    await registry.log(session, "pack.add", pack=str(pack), options=pack.options)
    return True


async def use_pack(
    session: OperatorSession, pack: str, licensor: str, product: str | None, since: Month
) -> RulePack:
    """Have a rule pack count from a month on: for one product of a licensor, or for all of them.

    Return the pack: of a name without a version the latest. What is said of a product goes before
    what is said of all.
    """
    found = await _named(session, pack)
    owner = await registry.hold_licensor(session, licensor)
    table = Product.table()
    its = select(table.c.product_id).where(table.c.licensor_id == owner)
    if product is not None:
        its = its.where(table.c.name == product)
    products = (await session.execute(its)).scalars().all()
    if not products:
        if product is not None:
            raise NotFound.of("product", "信息产品", product, argument="--product")
        raise BadInput(
            f"licensor {licensor} has no product",
            f"信息公司{licensor}没有信息产品",
            argument="--licensor",
            accepted="a licensor with a product",
        )
    own = product is not None
    for number in products:
        wanted = {"name": found.name, "version": found.version}
        key = {"product_id": number, "own": own, "from_month": since.first}
        await session.execute(
            postgresql.insert(_USES)
            .values(key | wanted)
            .on_conflict_do_update(index_elements=list(key), set_=wanted)
        )
    detail: dict[str, Any] = {"licensor": licensor, "product": product, "since": str(since)}
    await registry.log(session, "pack.use", -owner, pack=str(found), **detail)
    return found


async def _named(session: OperatorSession, text: str) -> RulePack:
    names = tuple(_DEFINITIONS.c.keys())
    rows = (await session.execute(select(*_DEFINITIONS.c))).all()
    return named(text, [RulePack.read(dict(zip(names, row, strict=True))) for row in rows])


def named(text: str, defined: Sequence[RulePack]) -> RulePack:
    """Return a rule pack by its name or `NAME@VERSION`: without a version the latest."""
    name, version = reference(text)
    fit = [
        pack
        for pack in (SZSE_2010, *defined)
        if pack.name == name and version in {None, pack.version}
    ]
    if not fit:
        raise NotFound.of("rule pack", "规则包", text, argument="rulePack")
    return max(fit, key=lambda pack: pack.version)


def others_in_use(scope: AnyScope) -> ColumnElement[bool]:
    """Return whether any product in scope counts, at any time, by another pack than the default."""
    used = ProductPack.aliased("used_pack")
    return exists().where(
        scope.covers(used),
        or_(
            used.c.name != literal(SZSE_2010.name),
            used.c.version != literal(SZSE_2010.version),
        ),
    )


def pack_in_use(
    scope: AnyScope, product_id: ColumnElement[Any], month: ColumnElement[Any]
) -> ScalarSelect[Any]:
    """Return the pack (`NAME@VERSION`) of a product in a month; null where none was chosen."""
    used = ProductPack.aliased("pack_in_use")
    return (
        select(_text(used))
        .where(
            scope.covers(used),
            used.c.product_id == product_id,
            used.c.from_month <= month,
        )
        .order_by(used.c.own.desc(), used.c.from_month.desc())
        .limit(1)
        .correlate_except(used)
        .scalar_subquery()
    )


def packs_document(scope: AnyScope) -> ScalarSelect[Any]:
    """Return, as JSON, the definitions of all packs and the names of those in use in scope."""
    used = ProductPack.aliased("used_pack")
    definitions = select(
        func.json_agg(
            func.json_build_object(
                *(part for column in _DEFINITIONS.c for part in (column.name, column))
            )
        )
    ).scalar_subquery()
    names = select(func.json_agg(_text(used).distinct())).where(scope.covers(used))
    return select(
        func.json_build_object("defined", definitions, "used", names.scalar_subquery())
    ).scalar_subquery()


def read_packs(document: Any) -> tuple[list[RulePack], list[RulePack]]:
    """Return what `packs_document` brought: the packs defined, and those in use; the default both.

    Each in its own order: by name and version.
    """
    defined = [SZSE_2010, *(RulePack.read(one) for one in document["defined"] or ())]
    used = {str(SZSE_2010), *(document["used"] or ())}
    ordered = sorted(defined, key=lambda pack: (pack.name, pack.version))
    return ordered, [pack for pack in ordered if str(pack) in used]


def _text(used: FromClause) -> ColumnElement[Any]:
    return func.concat(used.c.name, "@", used.c.version)
