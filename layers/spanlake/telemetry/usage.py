"""Usage by tenant and attributes, in Tempo's metric, for ``/usage_metrics``."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from spanlake.telemetry.interface import Labels, Usage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

USAGE_METRIC = "tempo_usage_tracker_bytes_received"
_OVERFLOW = "__overflow__"
_STALE_SECONDS = 900.0
"""Time without bytes after which a series is forgotten, as in Tempo."""
_TRACKER = "cost-attribution"


@dataclass(slots=True)
class _Series:
    size: int = 0  # bytes
    seen: float = 0.0


class UsageTracker:
    """Bytes by tenant and labels; a collector of Prometheus' library, safe to use from any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._tenants: dict[str, dict[Labels, _Series]] = {}

    def add(self, tenant: str, used: Usage, most: int) -> None:
        """Add bytes; labels beyond ``most`` series of the tenant count together as overflow."""
        now = self._clock()
        with self._lock:
            known = self._tenants.setdefault(tenant, {})
            for labels, size in used.items():
                series = known.get(labels) or _begun(known, labels, most)
                series.size += size
                series.seen = now

    def collect(self) -> Iterable["Metric"]:
        """Yield the current counters, without those that are stale."""
        from prometheus_client.metrics_core import Metric

        family = Metric(USAGE_METRIC, "Bytes of spans received, by tenant and attributes.", "counter")
        with self._lock:
            self._forget_stale(self._clock() - _STALE_SECONDS)
            for tenant, known in self._tenants.items():
                for labels, series in known.items():
                    named = {**dict(labels), "tenant": tenant, "tracker": _TRACKER}
                    family.add_sample(f"{USAGE_METRIC}_total", named, series.size)
        yield family

    def describe(self) -> Iterable["Metric"]:
        """Return nothing, so that registering does not collect."""
        return ()

    def _forget_stale(self, before: float) -> None:
        for tenant, known in list(self._tenants.items()):
            left = {labels: series for labels, series in known.items() if series.seen > before}
            self._tenants[tenant] = left
            if not left:
                del self._tenants[tenant]


def _begun(known: dict[Labels, _Series], labels: Labels, most: int) -> _Series:
    if len(known) >= most:
        labels = tuple((name, _OVERFLOW) for name, _ in labels)
    return known.setdefault(labels, _Series())
