"""What each tenant may spend: a leaky bucket of points, and so many operations at once.

The levels are this process's own. Several processes each give a tenant the whole of it: divide the
settings by how many there are, or have the balancer keep a tenant at one of them.
"""

import logging
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Final

from gateway.errors import CostLimit, GatewayError, RateLimited
from gateway.limits.cost import BASE

_log = logging.getLogger(__name__)
LONG: Final = 2**18
"""Bytes of an answer that counts while it waits to be read; shorter ones do not."""
MOST_UNREAD: Final = 128 * 2**20
"""Bytes of one tenant's long answers that wait to be read, in this process."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Points an operation may cost, a tenant's bucket in points and a second, and how many run."""

    operation: int
    bucket: int
    per_second: int
    at_once: int
    enforced: bool = True


@dataclass(slots=True, eq=False)
class Tenant:
    """How full a tenant's bucket is, since when, and how many of its operations run."""

    level: float = 0.0
    since: float = field(default_factory=monotonic)
    running: int = 0
    unread: int = 0
    """Bytes of long answers that are on their way to it."""

    @contextmanager
    def telling(self, size: int) -> Iterator[None]:
        """Tell an answer of so many bytes, which takes until they were read."""
        size = size if size > LONG else 0
        self.unread += size
        try:
            yield
        finally:
            self.unread -= size


class Spending:
    """All tenants' spending in this process."""

    def __init__(
        self,
        allowance: Allowance,
        *,
        exceeded: Callable[[str], None] = lambda _: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Take what is allowed, and whom to tell of what exceeds it."""
        self.allowance = allowance
        self._exceeded, self._clock = exceeded, clock
        self._capacity: Final = max(allowance.bucket, allowance.operation)
        self._tenants: dict[str, Tenant] = {}

    def admit(self, name: str) -> Tenant:
        """Begin something that other limits bound, and that is charged as it goes on."""
        tenant = self._tenant(name)
        self._take(tenant, BASE)
        return tenant

    def enter(self, name: str) -> Tenant:
        """Begin an operation, of which nothing is known yet; RateLimited if there are too many."""
        tenant = self._tenant(name)
        if tenant.running >= self.allowance.at_once:
            self._refuse("concurrency", busy(self.allowance.at_once))
        self._take(tenant, BASE)
        tenant.running += 1
        return tenant

    def charge(self, tenant: Tenant, cost: int) -> None:
        """Charge what the operation can cost, less what it was charged when it began.

        CostLimit if no operation may cost so much; RateLimited if the bucket does not hold it now.
        """
        if cost > self.allowance.operation:
            self._refuse("cost", _too_costly(cost, self.allowance.operation))
        self._take(tenant, cost - BASE)

    def surcharge(self, tenant: Tenant, points: int) -> None:
        """Charge what an operation costs beyond that by the way in which it is answered.

        CostLimit if no bucket holds so much; RateLimited if this one does not hold it now.
        """
        if points > self._capacity:
            self._refuse("cost", _too_costly(points, self._capacity))
        self._take(tenant, points)

    def settle(self, tenant: Tenant, points: int) -> None:
        """Charge what was used and not foreseen, or give back, below zero, what was not used."""
        tenant.level = max(0.0, self._leak(tenant) + points)

    def hold(self, tenant: Tenant, size: int) -> None:
        """Refuse an answer of so many bytes where too many of the tenant's wait to be read."""
        if size > LONG and tenant.unread and tenant.unread + size > MOST_UNREAD:
            self._refuse("unread", _unread())

    @staticmethod
    def leave(tenant: Tenant) -> None:
        """End an operation."""
        tenant.running -= 1

    def _tenant(self, name: str) -> Tenant:
        tenant = self._tenants.get(name)
        if tenant is None:
            tenant = self._tenants[name] = Tenant(since=self._clock())
        return tenant

    def _leak(self, tenant: Tenant) -> float:
        """Return a tenant's level now."""
        now = self._clock()
        level = tenant.level - (now - tenant.since) * self.allowance.per_second
        tenant.since = now
        tenant.level = level = level if level > 0.0 else 0.0
        return level

    def _take(self, tenant: Tenant, points: int) -> None:
        level, rate = self._leak(tenant), self.allowance.per_second
        over = level + points - self._capacity
        if over > 0:
            left = max(self._capacity - level, 0.0)
            self._refuse("rate", _too_fast(points, left, rate, over))
        tenant.level = max(level, min(level + points, self._capacity))

    def _refuse(self, what: str, error: GatewayError) -> None:
        self._exceeded(what)
        if self.allowance.enforced:
            raise error


def _too_costly(cost: int, most: int) -> CostLimit:
    return CostLimit(
        f"the operation can cost {cost} points",
        f"该操作最多可能耗费{cost}点",
        argument="query",
        accepted=f"at most {most} points: ask for shorter pages, or fewer lists",
    )


def _too_fast(points: int, left: float, rate: int, over: float) -> RateLimited:
    seconds = max(1, math.ceil(over / rate))
    return RateLimited(
        f"the operation needs {points} points, of which {int(left)} are left",
        f"该操作需要{points}点，目前仅剩{int(left)}点",
        accepted=f"the same in {seconds} seconds; {rate} points a second come back",
        seconds=seconds,
    )


def _unread() -> RateLimited:
    return RateLimited(
        f"with this answer more than {MOST_UNREAD >> 20} MiB would wait to be read",
        f"加上此应答，等待读取的应答将超过{MOST_UNREAD >> 20} MiB",
        accepted="the same when they were read",
        seconds=1,
    )


def busy(most: int) -> RateLimited:
    """Return the refusal of one operation more than may run at once."""
    return RateLimited(
        f"{most} operations run already",
        f"已有{most}个操作在运行",
        accepted=f"at most {most} operations at once",
        seconds=1,
    )
