"""How many attempts to sign in wait: each is slow on purpose, or asks somebody else's server."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.errors import RateLimited

_MOST_WAITING: Final = 16
_MOST_OF_ONE: Final = 4


class Attempts:
    """Attempts that wait, in all and from each address."""

    def __init__(self) -> None:
        """Begin without any."""
        self._waiting: Counter[str] = Counter()

    @contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Count one from an address while it lasts; RateLimited where too many wait already."""
        waiting = self._waiting
        if waiting.total() >= _MOST_WAITING or waiting[address] >= _MOST_OF_ONE:
            raise RateLimited(
                "too many people sign in at once",
                "同时登录的人数过多",
                accepted="the same in a few seconds",
                seconds=3,
            )
        waiting[address] += 1
        try:
            yield
        finally:
            waiting[address] -= 1
            if not waiting[address]:
                del waiting[address]
