"""`/metrics`: what the server counts, as Prometheus reads it."""

from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
)
from starlette.requests import Request
from starlette.responses import Response

from gateway.audit.writer import AccessLog

REGISTRY: Final = CollectorRegistry()
OPERATIONS: Final = Counter(
    "gateway_operations",
    "Operations by the way in which they were answered, and why not compiled.",
    ("path", "reason"),
    registry=REGISTRY,
)
REFUSED: Final = Counter(
    "gateway_refused",
    "Requests that were refused before they ran, by the error's code.",
    ("code",),
    registry=REGISTRY,
)
EXCEEDED: Final = Counter(
    "gateway_limits_exceeded",
    "Operations beyond a limit: refused, or let through where limits are only measured.",
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
