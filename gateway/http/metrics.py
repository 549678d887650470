"""`/metrics`: what the server counts, as Prometheus reads it."""

from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Metric,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit.writer import AccessLog


class Counts(Collector):
    """A counter for one thread, without the lock that prometheus_client's takes each time."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str], registry: CollectorRegistry
    ) -> None:
        """Take what it is called, and its labels' names."""
        self._name, self._about, self._labels = name, about, labels
        self._numbers: dict[tuple[str, ...], int] = {}
        registry.register(self)

    def add(self, *labels: str) -> None:
        """Count one."""
        self._numbers[labels] = self._numbers.get(labels, 0) + 1

    def collect(self) -> Iterator[Metric]:
        """Return what was counted."""
        family = CounterMetricFamily(self._name, self._about, labels=self._labels)
        for labels, number in self._numbers.items():
            family.add_metric(labels, number)
        yield family


REGISTRY: Final = CollectorRegistry()
OPERATIONS: Final = Counts(
    "gateway_operations",
    "Operations by the way in which they were answered, and why not compiled.",
    ("path", "reason"),
    REGISTRY,
)
REFUSED: Final = Counter(
    "gateway_refused",
    "Requests that were refused before they ran, by the error's code.",
    ("code",),
    registry=REGISTRY,
)
EXCEEDED: Final = Counter(
    "gateway_limits_exceeded",
    "What went beyond a limit: refused, or let through where limits are only measured.",
    ("limit",),
    registry=REGISTRY,
)
AUDIT_WAITING: Final = Gauge(
    "gateway_audit_waiting", "Accesses that are not written yet.", registry=REGISTRY
)
AUDIT_DROPPED: Final = Gauge(
    "gateway_audit_dropped", "Accesses that could not be written.", registry=REGISTRY
)


def watch(accesses: AccessLog) -> None:
    """Tell of a log of accesses."""
    AUDIT_WAITING.set_function(lambda: accesses.waiting)
    AUDIT_DROPPED.set_function(lambda: accesses.dropped)


async def metrics(_: Request) -> Response:
    """Return all figures. They tell nothing about any tenant."""
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
