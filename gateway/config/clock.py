"""The market's calendar. China has kept UTC+8 without summer time since 1991."""

from datetime import UTC, date, datetime, timedelta, timezone

MARKET_TIME = timezone(timedelta(hours=8), "CST")


def now() -> datetime:
    """Return this instant in UTC."""
    return datetime.now(UTC)


def today() -> date:
    """Return the market's current date, by which months turn and services lapse."""
    return datetime.now(MARKET_TIME).date()


def market_date(instant: datetime) -> date:
    """Return the market's date at an instant."""
    return instant.astimezone(MARKET_TIME).date()
