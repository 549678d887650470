"""The types of values in statements, each made once.

SQLAlchemy makes a type of its own wherever a class is given, and finds out anew how it is written
and sent. What it finds out of an object it keeps.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    DateTime,
    Integer,
    Interval,
    Numeric,
    SmallInteger,
    Text,
)
from sqlalchemy.types import TypeEngine

TEXT: Final = Text()
INTEGER: Final = Integer()
SMALL_INTEGER: Final = SmallInteger()
BIG_INTEGER: Final = BigInteger()
NUMERIC: Final[TypeEngine[Decimal]] = Numeric()
DATE: Final[TypeEngine[date]] = Date()
INSTANT: Final[TypeEngine[datetime]] = DateTime(timezone=True)
WALL_CLOCK: Final[TypeEngine[datetime]] = DateTime(timezone=False)
"""A day and a time of no time zone."""
INTERVAL: Final[TypeEngine[timedelta]] = Interval()
TEXTS: Final = ARRAY(TEXT)
INTEGERS: Final = ARRAY(INTEGER)
SMALL_INTEGERS: Final = ARRAY(SMALL_INTEGER)
DATES: Final = ARRAY(DATE)
