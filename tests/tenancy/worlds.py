"""A market full of canaries: whole, or cut down to what one principal may see.

Every personal datum of a vendor's users of a product carries the pair's sign, such as `alphaKQ`;
names, codes, prices, vendor numbers, licensors and the names of files are canaries themselves. The
cut-down world is built by the same steps at the same instants, only without what is not the
principal's.
"""

import base64
import itertools
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import asyncpg
import httpx
import pytest
from market import load
from starlette.applications import Starlette

from gateway.app.house import House, audit_keys, open_house
from gateway.app.server import application, routes
from gateway.catalogue import loading, registry
from gateway.catalogue.approvals import load_approvals, read_approvals
from gateway.catalogue.packs import add_pack, use_pack
from gateway.config.settings import Settings
from gateway.db.embedded import OWNER, SERVICE, EmbeddedPostgres
from gateway.findings.registry import set_threshold
from gateway.regulation.codes import UsageMode
from gateway.regulation.months import Month
from gateway.regulation.packs import SZSE_2010, RulePack
from gateway.resolvers.query import build_schema
from gateway.tenancy import issue as keys
from gateway.tenancy.authenticate import authenticate
from gateway.tenancy.keys import NewKey
from gateway.tenancy.operator import open_operator
from gateway.tenancy.principal import Role
from gateway.tenancy.scope import Scope
from gateway.tenancy.session import settings_of

ENHANCED, BASIC, STOCKS, FUTURES = "增强行情KQ", "基本行情ZW", "港股二级XJ", "港股期货VY"
LICENSOR_OF = {ENHANCED: "SZSEINFO", BASIC: "SZSEINFO", STOCKS: "HKEX", FUTURES: "HKEX"}
LICENSOR_NAME = {"SZSEINFO": "深圳证券信息有限公司", "HKEX": "香港交易所"}
PRICE = {ENHANCED: "711.13", BASIC: "722.17", STOCKS: "733.19", FUTURES: "744.23"}
DELIVERED = {
    ENHANCED: "SZSE-BINARY-MARKET-DATA-1.12",
    BASIC: "SZSE-FILE-EXCHANGE-1.35",
    STOCKS: "HKEX-OMD-C",
    FUTURES: "HKEX-OMD-D",
}
"""The interface by which each product is delivered."""
MINIMUM = {ENHANCED: "5123.41", BASIC: "5234.52", STOCKS: "5345.63", FUTURES: "5456.74"}
TIER = {ENHANCED: "611.31", BASIC: "622.42", STOCKS: "633.53", FUTURES: "644.64"}
PACKS = (
    {"name": "everything", "version": 1, "options": {"counted": "peak-day", "end-date": "exclusive",
     "unit": "id-across-products", "category-on-change": "longest", "proration": "daily",
     "tiers": "graduated", "unapproved": "rejected"}},
    {"name": "each-mode", "version": 1, "options": {"counted": "last-day", "unit": "id-and-mode",
     "category-on-change": "each", "tiers": "whole-volume", "unapproved": "full-price"}},
    {"name": "averaged", "version": 2, "options": {"counted": "average"}},
)  # fmt: skip
"""Rule packs are no secret of anybody: each world has all of them."""
VENDORS = ("VENDALPHA", "VENDBETA", "VENDGAMMA", "VENDDELTA")
NUMBER = {
    "VENDALPHA": 1811111119,
    "VENDBETA": 1722222227,
    "VENDGAMMA": 1933333331,
    "VENDDELTA": 77777713,
}
USERS = {
    ("VENDALPHA", ENHANCED): 5,
    ("VENDALPHA", STOCKS): 3,
    ("VENDBETA", ENHANCED): 7,
    ("VENDBETA", BASIC): 4,
    ("VENDBETA", FUTURES): 2,
    ("VENDGAMMA", FUTURES): 6,
    ("VENDDELTA", BASIC): 8,
}
FIRST = datetime(2024, 6, 1, tzinfo=UTC)
"""When the first import was recorded; the others follow an hour apart."""
BETWEEN = (FIRST + timedelta(hours=5, minutes=30)).isoformat()
"""An instant after the first imports of all vendors and before the second ones of the last two."""

THRESHOLDS = [
    ("SHARED_PHONE", "base", "0"),
    ("SHARED_NAME", "base", "0"),
    ("SHARED_NAME", "share", "0"),
    ("FREE_QUOTA_EXCEEDED", "trial_base", "0"),
    ("FREE_QUOTA_EXCEEDED", "trial_share", "0"),
    ("FREE_QUOTA_EXCEEDED", "regulatory_share", None),
]
"""What each licensor has set for its products; None is the product's price, a canary."""

_numbers = itertools.count()


@dataclass(frozen=True)
class Principal:
    """A tenant: a vendor or a licensor, by its code."""

    code: str
    role: Role
    badge: str = ""

    @property
    def auditor(self) -> "Principal":
        """The same tenant's auditor."""
        side = "VENDOR" if self.is_vendor else "LICENSOR"
        return replace(self, role=Role[f"{side}_AUDITOR"], badge="a")

    @property
    def is_vendor(self) -> bool:
        return self.code in VENDORS

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The vendors' products whose rows it may see."""
        return [
            (vendor, product)
            for vendor, product in USERS
            if self.code in {vendor, LICENSOR_OF[product]}
        ]

    @property
    def key(self) -> NewKey:
        """Its key, the same in every world."""
        return NewKey(
            (self.badge + self.code.lower()[-4:] * 2)[:8], (self.badge + self.code).ljust(43, "x")
        )

    @property
    def canaries(self) -> set[str]:
        """What must occur in none of its answers. Vendors' numbers are nobody's business."""
        return _words(set(USERS)) - self.own | {str(number) for number in NUMBER.values()}

    @property
    def own(self) -> set[str]:
        """What may occur in its answers."""
        return _words(set(self.pairs))


ALPHA = Principal("VENDALPHA", Role.VENDOR_OPERATOR)
BETA = Principal("VENDBETA", Role.VENDOR_ADMINISTRATOR)
SZSE = Principal("SZSEINFO", Role.LICENSOR_ANALYST)
HKEX = Principal("HKEX", Role.LICENSOR_ADMINISTRATOR)
PRINCIPALS = (ALPHA, BETA, SZSE, HKEX)
EXECUTOR = "http://executor.test"
"""Where a client of both ways has the one that the executor answers."""


def sign(vendor: str, product: str) -> str:
    """The mark that all data of a vendor's users of a product carry."""
    return f"{vendor.removeprefix('VEND').lower()}{product[-2:]}"


def company(vendor: str) -> str:
    return f"{vendor.removeprefix('VEND').lower()}信息有限公司"


def _words(pairs: set[tuple[str, str]]) -> set[str]:
    vendors, products = {v for v, _ in pairs}, {p for _, p in pairs}
    return (
        {sign(*pair) for pair in pairs}
        | vendors
        | products
        | {company(vendor) for vendor in vendors}
        | {book[product] for product in products for book in (PRICE, MINIMUM, TIER)}
        | {word for product in products for word in _named(LICENSOR_OF[product])}
    )


def _named(licensor: str) -> tuple[str, str, str]:
    """What names a licensor: its code and name, and its files."""
    return licensor, LICENSOR_NAME[licensor], source(licensor)


def source(licensor: str) -> str:
    """The name of the files with a licensor's lines."""
    return f"file-{licensor[::-1].lower()}.txt"


def _lines(vendor: str, product: str, edition: int) -> Iterator[str]:
    """A pair's roster: later editions rename the first users and lack the last one.

    The second one was taken for an institution at first.
    The first user's ID is the same at all vendors and for all products.
    """
    mark = sign(vendor, product)
    number = USERS[vendor, product]
    for i in range(number if edition == 1 else number - 1):
        user = "szse.everyone" if i == 0 else f"szse.{mark}.{i:03}"
        name = f"名{mark}{'甲乙丁'[edition - 1] if i < 2 else '丙'}"
        kind = "机构" if edition == i == 1 else "个人"
        category = ("全价用户", "试用用户", "监管用户", "内部免费用户")[i % 4]
        end = "0" if i % 3 else "20240430"
        yield (
            f"{user}||{name}||{kind}||{category}||202401{i + 1:02}||{end}||{product}||Web"
            f"||址{mark}路||联{mark}||{mark}-{i}"
        )


_TURNS = [
    *((vendor, 1, 1) for vendor in VENDORS),
    *((vendor, 2, 2) for vendor in VENDORS),
    ("VENDALPHA", 2, 3),
    ("VENDALPHA", 3, 3),
]
"""Each import's vendor, and the edition of SZSEINFO's and of HKEX's products in its file."""


def _steps() -> Iterator[tuple[datetime, str, str, list[tuple[str, str]]]]:
    """All imports: when, of which vendor and licensor, and the file as (product, line).

    What a vendor brings in its turn for HKEX comes a minute after SZSEINFO's, if it has both.
    """
    for i, (vendor, *editions) in enumerate(_TURNS):
        first = True
        for edition, licensor in zip(editions, LICENSOR_NAME, strict=True):
            lines = [
                (product, line)
                for owner, product in USERS
                if owner == vendor and LICENSOR_OF[product] == licensor
                for line in _lines(vendor, product, edition)
            ]
            if lines:
                yield FIRST + timedelta(hours=i, minutes=not first), vendor, licensor, lines
                first = False


@dataclass
class World:
    """An open gateway on a market."""

    house: House
    admin: str
    """The superuser's address."""
    app: Starlette
    client: httpx.AsyncClient
    places: Path
    pairs: list[tuple[str, str]] = field(default_factory=lambda: list(USERS))
    settled: datetime = FIRST
    """When all was set up; what tests log in a shared world comes later."""
    purpose: str | None = "test"
    """For what personal data is asked for; None: it is masked."""

    @asynccontextmanager
    async def executing(self) -> AsyncIterator["World"]:
        """The same world, where the executor answers all that the graph is asked."""
        app = routes(self.house, build_schema())
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield replace(self, app=app, client=client)

    async def ask(self, who: Principal | str, query: str, **variables: Any) -> httpx.Response:
        """Ask the graph with a principal's key, or with a key's text."""
        text = who if isinstance(who, str) else who.key.text
        stated = {} if self.purpose is None else {"Gateway-Purpose": self.purpose}
        return await self.client.post(
            "/graphql",
            json={"query": query, "variables": variables},
            headers={"Authorization": f"Bearer {text}", **stated},
        )

    async def answer(self, who: Principal, query: str, **variables: Any) -> Any:
        """Return the data of an answer without errors."""
        body = (await self.ask(who, query, **variables)).json()
        assert "errors" not in body, body
        return body["data"]

    async def errors(self, who: Principal, query: str, **variables: Any) -> Any:
        """Return the errors of an answer that has some."""
        return (await self.ask(who, query, **variables)).json()["errors"]

    async def scope(self, who: Principal) -> Scope:
        scope = await authenticate(self.house.service, f"Bearer {who.key.text}")
        return scope.stating(self.purpose)

    async def link(
        self, who: Principal | str, query: str = "{ users { download { url } } }"
    ) -> str:
        """Return a download's address."""
        found = (await self.ask(who, query)).json()
        (parts,) = found["data"].values()
        url: str = parts["download"]["url"]
        return url

    async def file(self, url: str) -> str:
        """Follow a download link; return all that it tells: status, headers, bytes, trailers."""
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            await anyio.sleep_forever()
            raise AssertionError

        async def send(message: Any) -> None:
            told.append(message)

        await self.app(self.get(url), receive, send)
        heads = [
            f"{name.decode()}: {value.decode()}"
            for message in told
            for name, value in message.get("headers", [])
        ]
        body = b"".join(message.get("body", b"") for message in told)
        text = body.decode("gb18030" if "charset=GB18030" in str(heads) else "utf-8")
        return "\n".join([str(told[0]["status"]), *heads, text])

    def get(self, url: str) -> dict[str, Any]:
        """Return an address's ASGI scope."""
        path = url.removeprefix("http://test")
        return {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}

    async def told(self, who: Principal, query: str, **variables: Any) -> str:
        """Return all that an answer tells, byte by byte, files in the place of their links."""
        response = await self.ask(who, query, **variables)
        text = re.sub(r'"expiresAt":"[^"]+"', '"expiresAt":""', response.text)
        for url in sorted(set(_LINK.findall(text))):
            text = text.replace(url, await self.file(url))
        return f"{response.status_code} {sorted(response.headers.items())}\n{text}"

    @asynccontextmanager
    async def acting(self, who: Principal | None) -> AsyncIterator[asyncpg.Connection]:
        """A plain connection of the service's role, with a principal's settings or with none."""
        connection = await asyncpg.connect(self.house.settings.database_url)
        try:
            async with connection.transaction():
                if who is not None:
                    for setting in settings_of(await self.scope(who)):
                        await connection.execute(setting)
                yield connection
        finally:
            await connection.close()

    async def contents(self) -> dict[str, list[str]]:
        """All rows of all tables, as text, apart from the log of accesses."""
        admin = await asyncpg.connect(self.admin)
        try:
            return {
                table: [
                    text
                    for (text,) in await admin.fetch(
                        f'SELECT t::text FROM "{table}" t{_OF_ACTS.get(table, "")} ORDER BY 1'
                    )
                ]
                for (table,) in await admin.fetch(
                    "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
                )
            }
        finally:
            await admin.close()

    @asynccontextmanager
    async def unchanged(self, *apart: str) -> AsyncIterator[None]:
        """Demand that the block changes nothing in the database, apart from some tables."""
        before = await self.contents()
        yield
        after = await self.contents()
        for table in apart:
            assert before.pop(table) != after.pop(table)
        assert after == before


@asynccontextmanager
async def opened(
    server: EmbeddedPostgres, places: Path, template: str = "gateway", **settings: Any
) -> AsyncIterator[World]:
    """Open a gateway on a database of its own: an empty one, or a copy of another."""
    name = await _copied(server, template)
    async with _house(server, name, places, **settings) as world:
        yield world
    maker = await asyncpg.connect(server.url("postgres", "postgres"))
    try:
        await maker.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await maker.close()


@asynccontextmanager
async def settled(
    server: EmbeddedPostgres, places: Path, only: Principal | None = None, **settings: Any
) -> AsyncIterator[World]:
    """Open a market of one's own, as `settle` sets it up: that is done once, and copied."""
    made = _SETTLED.get((server.directory, only))
    if made is None:
        made = _SETTLED[server.directory, only] = await _template(server, only)
    async with opened(server, places, made.name, **settings) as world:
        if "audit_keys" not in settings:
            shutil.copytree(made.keys, audit_keys(world.house.settings), dirs_exist_ok=True)
        world.pairs, world.settled = made.pairs, datetime.now(UTC)
        yield world


@dataclass(frozen=True)
class _Template:
    """A settled database, and the keys that its log is signed with."""

    name: str
    keys: Path
    pairs: list[tuple[str, str]]


_SETTLED: dict[tuple[Path, Principal | None], _Template] = {}


async def _template(server: EmbeddedPostgres, only: Principal | None) -> _Template:
    name = await _copied(server, "gateway")
    place = server.directory / f"settled-{name}"
    place.mkdir()
    async with _house(server, name, place) as world:
        await settle(world, only)
        return _Template(name, audit_keys(world.house.settings), world.pairs)


async def _copied(server: EmbeddedPostgres, template: str) -> str:
    """Make a database of one's own, and return its name."""
    name = f"world_{next(_numbers)}"
    maker = await asyncpg.connect(server.url("postgres", "postgres"))
    try:
        await maker.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER {OWNER}')
        await maker.execute(f'GRANT TEMPORARY ON DATABASE "{name}" TO {SERVICE}')
    finally:
        await maker.close()
    return name


@asynccontextmanager
async def _house(
    server: EmbeddedPostgres, name: str, places: Path, **settings: Any
) -> AsyncIterator[World]:
    config = Settings(
        database_url=server.url(SERVICE, name),
        migrate_url=server.url(OWNER, name),
        data_dir=places / name,
        **{"pool_size": 3, **settings},
    )
    async with open_house(config) as house:
        app = application(house)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield World(house, server.url("postgres", name), app, client, places)


async def settle(world: World, only: Principal | None = None) -> World:
    """Set up the market and its keys; with `only`, no more than what that principal may see."""
    world.pairs = list(USERS) if only is None else only.pairs
    with pytest.MonkeyPatch.context() as patch:
        await _catalogue(world, patch)
        for at, vendor, licensor, lines in _steps():
            mine = [line for product, line in lines if (vendor, product) in world.pairs]
            if mine:
                await load(world.house, vendor, mine, world.places, source=source(licensor))
                await _date(world, at)
        for who in PRINCIPALS if only is None else (only,):
            await _issue(world, patch, who)
            await _issue(world, patch, who.auditor)
    world.settled = datetime.now(UTC)
    return world


_INSTANTS = {
    "rosters": ["recorded_at"],
    "import_batches": ["recorded_at"],
}


async def _date(world: World, at: datetime) -> None:
    """Move the import that was just recorded to another instant."""
    admin = await asyncpg.connect(world.admin)
    try:
        for table, columns in _INSTANTS.items():
            for column in columns:
                await admin.execute(
                    f"UPDATE {table} SET {column} = $1 WHERE {column} > '2025-01-01'", at
                )
    finally:
        await admin.close()


def _delivery(product: str) -> str:
    """The catalogue file that says how a product is delivered."""
    return (
        f'[[products]]\nname = "{product}"\nlicensor = "{LICENSOR_OF[product]}"\n'
        f'exchange = "{"HKEX" if LICENSOR_OF[product] == "HKEX" else "SZSE"}"\n'
        f'interface_specs = ["{DELIVERED[product]}"]\n'
    )


def licensed_modes(vendor: str, product: str) -> list[UsageMode]:
    """Return the usage modes that a vendor's licence of a product allows: not the same for all."""
    return list(UsageMode)[: 1 + USERS[vendor, product] % 3]


async def _catalogue(world: World, patch: pytest.MonkeyPatch) -> None:
    async with open_operator(world.house.operator, "test") as session:
        bases = itertools.count(1234567)
        patch.setattr(registry, "secrets", SimpleNamespace(randbelow=lambda _: next(bases)))
        await loading.load(session, loading.built_in(), loading.BUILT_IN)
        products = [p for p in LICENSOR_OF if any(p == held for _, held in world.pairs)]
        if any(LICENSOR_OF[product] == "HKEX" for product in products):
            await registry.add_licensor(session, "HKEX", LICENSOR_NAME["HKEX"])
        for product in products:
            await registry.add_product(session, product, LICENSOR_OF[product])
            await registry.set_price(
                *(session, product, Decimal(PRICE[product]), date(2020, 1, 1), None),
                tiers={2: Decimal(TIER[product])},
                minimum=Decimal(MINIMUM[product]),
            )
            await loading.load(session, _delivery(product).encode(), "delivery.toml")
            owner = LICENSOR_OF[product]
            await use_pack(session, str(SZSE_2010), owner, product, Month(2020, 1))
        for vendor, number in NUMBER.items():
            if any(vendor == held for held, _ in world.pairs):
                fixed = SimpleNamespace(randbelow=lambda _, number=number: number - 1)
                patch.setattr(registry, "secrets", fixed)
                await registry.add_vendor(session, vendor, company(vendor))
        for product in products:
            for rule, name, value in THRESHOLDS:
                number = Decimal(value or PRICE[product])
                licensor = LICENSOR_OF[product]
                await set_threshold(session, rule, name, number, licensor=licensor, product=product)
        for vendor, product in world.pairs:
            modes = licensed_modes(vendor, product)
            await registry.add_licence(session, vendor, product, date(2024, 1, 1), None, modes)
        for vendor, product in world.pairs:
            line = f"szse.{sign(vendor, product)}.001||{product}||试用用户||20240102||0||号"
            await load_approvals(session, vendor, read_approvals(line))
        for definition in PACKS:
            await add_pack(session, RulePack.read(definition))


async def _issue(world: World, patch: pytest.MonkeyPatch, who: Principal) -> None:
    patch.setattr(keys, "generate", lambda: who.key)
    async with open_operator(world.house.security, "test") as session:
        if who.is_vendor:
            holder = keys.Holder(vendor_id=await registry.vendor_id(session, who.code))
        else:
            holder = keys.Holder(licensor_id=await registry.licensor_id(session, who.code))
        await keys.issue(session, holder, who.role, days=None)


_LINK = re.compile(r"http://test/exports/[\w=-]+")
_SEALED = re.compile(r'(?<=")[A-Za-z0-9_-]{8,}(?=")')


_OF_ACTS = {
    "audit_events": " WHERE action NOT IN ('query', 'scope', 'export.link')",
    "audit_checkpoints": " WHERE false",
}
"""Accesses are written when it suits, and so are the checkpoints of them."""
_OF_AN_INSTANT = re.compile(
    r'"(occurredAt|text|digest|signedAt|key|signature|number)":"(?:[^"\\]|\\.)*"'
)


def timeless(text: str) -> str:
    """Return a text without what in the audit log depends on when it was written."""
    return re.sub(r"'content-length', '\d+'", "", _OF_AN_INSTANT.sub(r'"\1":""', text))


def revealed(text: str) -> str:
    """Return a text with its ids and cursors decoded."""

    def read(match: re.Match[str]) -> str:
        try:
            return json.dumps(unsealed(match[0]), ensure_ascii=False)
        except ValueError:
            return match[0]

    return _SEALED.sub(read, text)


def sealed(value: Any) -> str:
    """Write a JSON value as ids and cursors are written."""
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(data.encode()).decode().rstrip("=")


def unsealed(text: str) -> Any:
    """Read an id or a cursor."""
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
