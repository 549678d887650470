"""The same graph as one writes it in an afternoon: Strawberry types, SQLAlchemy's ORM, uvicorn.

Parsing and validation are cached, a product comes with its user by a join, and each request is one
transaction under row-level security, told what may be seen by the headers x-vendors and x-products.
"""

import base64
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from enum import Enum
from typing import Any, Self

import strawberry
import uvicorn
from sqlalchemy import (
    BigInteger,
    Date,
    ForeignKey,
    Integer,
    Text,
    column,
    func,
    select,
    text,
    tuple_,
)
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, joinedload, mapped_column, relationship
from strawberry.asgi import GraphQL
from strawberry.extensions import ParserCache, ValidationCache

_URL = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://", 1)
_engine = create_async_engine(_URL, pool_size=10, max_overflow=0)
_sessions = async_sessionmaker(_engine, expire_on_commit=False)
_SCOPE = text(
    "SELECT set_config('gateway.vendors', :vendors, true), "
    "set_config('gateway.products', :products, true)"
)


class Base(DeclarativeBase):
    pass


class ProductModel(Base):
    __tablename__ = "products"

    product_id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


class RecordModel(Base):
    __tablename__ = "service_records"

    vendor_id: Mapped[int] = mapped_column(primary_key=True)
    record_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    product_id: Mapped[int] = mapped_column(ForeignKey(ProductModel.product_id))
    start_date: Mapped[date]
    end_date: Mapped[date]
    user_type: Mapped[int]
    fee_category: Mapped[int]
    usage_mode: Mapped[int]
    user_id: Mapped[str]
    user_name: Mapped[str]
    address: Mapped[str | None]
    contact: Mapped[str | None]
    phone: Mapped[str | None]
    product: Mapped[ProductModel] = relationship()


@strawberry.enum
class UserType(Enum):
    INDIVIDUAL = 1
    INSTITUTION = 2


@strawberry.enum
class UsageMode(Enum):
    WEB = 1
    TERMINAL = 2
    DATAFEED = 3


@strawberry.enum
class FeeCategory(Enum):
    FULL_PRICE = 1
    REGULATORY = 2
    INTERNAL_FREE = 3
    TRIAL = 4


@strawberry.type
class PageInfo:
    has_next_page: bool
    end_cursor: str | None = None


@strawberry.type
class Product:
    name: str


@strawberry.type
class User:
    user_id: str
    user_name: str
    user_type: UserType
    start_date: date
    end_date: date | None
    product: Product
    usage_mode: UsageMode
    contact: str | None
    address: str | None
    phone: str | None
    fee_category: FeeCategory

    @classmethod
    def of(cls, record: RecordModel) -> Self:
        return cls(
            user_id=record.user_id,
            user_name=record.user_name,
            user_type=UserType(record.user_type),
            start_date=record.start_date,
            end_date=None if record.end_date == date.max else record.end_date,
            product=Product(name=record.product.name),
            usage_mode=UsageMode(record.usage_mode),
            contact=record.contact,
            address=record.address,
            phone=record.phone,
            fee_category=FeeCategory(record.fee_category),
        )


@strawberry.type
class UserConnection:
    nodes: list[User]
    page_info: PageInfo


@strawberry.type
class Figure:
    vendor: str
    product: Product
    month: date
    full_price_count: int
    regulatory_count: int
    internal_free_count: int
    trial_count: int
    new_count: int
    ended_count: int


@strawberry.type
class FigureConnection:
    nodes: list[Figure]
    page_info: PageInfo


_COUNTS = (
    *("full_price_count", "regulatory_count", "internal_free_count"),
    *("trial_count", "new_count", "ended_count"),
)


@asynccontextmanager
async def _session(info: strawberry.Info) -> AsyncIterator[AsyncSession]:
    headers = info.context["request"].headers
    scope = {"vendors": headers["x-vendors"], "products": headers["x-products"]}
    async with _sessions() as session, session.begin():
        await session.execute(_SCOPE, scope)
        yield session


@strawberry.type
class Query:
    @strawberry.field
    async def users(
        self,
        info: strawberry.Info,
        vendor: int | None = None,
        first: int = 50,
        after: str | None = None,
    ) -> UserConnection:
        place = (RecordModel.user_id, RecordModel.vendor_id, RecordModel.record_id)
        query = select(RecordModel).options(joinedload(RecordModel.product, innerjoin=True))
        if vendor is not None:
            query = query.where(RecordModel.vendor_id == vendor)
        if after is not None:
            query = query.where(tuple_(*place) > tuple_(*json.loads(base64.b64decode(after))))
        async with _session(info) as session:
            found = await session.scalars(query.order_by(*place).limit(first + 1))
            records = list(found)
        shown = records[:first]
        end = None
        if shown:
            last = shown[-1]
            values = [last.user_id, last.vendor_id, last.record_id]
            end = base64.b64encode(json.dumps(values).encode()).decode()
        return UserConnection(
            nodes=[User.of(record) for record in shown],
            page_info=PageInfo(has_next_page=len(records) > first, end_cursor=end),
        )

    @strawberry.field
    async def figures(
        self, info: strawberry.Info, since: date, until: date, first: int = 1000
    ) -> FigureConnection:
        rows = func.benchmark.figures(since, until).table_valued(
            column("vendor_code", Text),
            column("product_name", Text),
            column("month", Date),
            *(column(name, Integer) for name in _COUNTS),
        )
        async with _session(info) as session:
            found = (await session.execute(select(rows).limit(first + 1))).all()
        return FigureConnection(
            nodes=[
                Figure(
                    vendor=row.vendor_code,
                    product=Product(name=row.product_name),
                    month=row.month,
                    full_price_count=row.full_price_count,
                    regulatory_count=row.regulatory_count,
                    internal_free_count=row.internal_free_count,
                    trial_count=row.trial_count,
                    new_count=row.new_count,
                    ended_count=row.ended_count,
                )
                for row in found[:first]
            ],
            page_info=PageInfo(has_next_page=len(found) > first),
        )


_schema = strawberry.Schema(Query, extensions=[ParserCache, ValidationCache])
app: Any = GraphQL(_schema, graphql_ide=None)


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_level="warning",
        access_log=False,
    )
