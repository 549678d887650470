"""Declarative base, naming convention and the few column types that all tables share."""

from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, ClassVar, TypeVar, cast

from sqlalchemy import Alias, DateTime, Dialect, MetaData, SmallInteger, Table, Text
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

SCOPED = "scoped"
"""Key in a table's `info`: it is under the three walls on each axis that it has.

The axes are `vendor_id` (rows belong to vendors), `product_id` (products to licensors),
`licensor_id`, and `holder` (one tenant's alone). A tuple names the axes of a table that is under
fewer than it has columns of.
"""


class Base(DeclarativeBase):
    """Base of all tables. A table with `info={SCOPED: True}` is under the three walls."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True), str: Text}

    @classmethod
    def table(cls) -> Table:
        """Return the table itself, for Core statements."""
        return cast("Table", cls.__table__)

    @classmethod
    @lru_cache(maxsize=1000)
    def aliased(cls, name: str) -> Alias:
        """Return the table by another name: always the same object, whose columns are made once."""
        return cast("Alias", cls.table().alias(name))


Sortable = Text(collation="C")
"""Text that sorts by code point: the same order in every database, and prefix ranges hold."""

E = TypeVar("E", bound=IntEnum)


class CodeType(TypeDecorator[E]):
    """A regulation code as a smallint.

    PostgreSQL's own enum operators are not leakproof, so that under row-level security no index
    would serve them; those of smallint are.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, codes: type[E]) -> None:
        """Take the code list."""
        self.codes = codes
        super().__init__()

    def process_bind_param(self, value: E | None, dialect: Dialect) -> int | None:
        """Store the number."""
        return None if value is None else int(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> E | None:
        """Return the member."""
        return None if value is None else self.codes(value)
