"""Metrics of a process, for Prometheus."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

from spanlake.telemetry.interface import Labels, Usage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from prometheus_client import Counter, Gauge, Histogram
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


_log = logging.getLogger("spanlake")

_STORED = frozenset({"200", "202", "OK", "stored"})
"""Codes of requests whose spans were stored: of HTTP, of gRPC, of datagrams."""


class Collector(Protocol):
    """Metrics to expose."""

    def collect(self) -> "Iterable[Metric]":
        """Return all metrics with their current values."""


_MOST_TENANTS = 1000  # with series of their own
_OTHER_TENANTS = "(others)"  # no tenant's name
# From a tag lookup to the longest allowed query, in seconds.
QUERY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True, slots=True)
class StoreTotals:
    """Totals of live blocks in the index, over all tenants."""

    blocks: int
    spans: int
    size: int  # bytes


class _Families:
    """Makes the metrics of a registry."""

    def __init__(self) -> None:
        # Importing prometheus_client takes some 60 ms, which only a serving process should pay.
        from prometheus_client import CollectorRegistry, disable_created_metrics
        from prometheus_client.gc_collector import GCCollector
        from prometheus_client.platform_collector import PlatformCollector
        from prometheus_client.process_collector import ProcessCollector

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)

    def counter(self, name: str, about: str, *labels: str) -> "Counter":
        """Make a number that grows, for each value of the labels."""
        from prometheus_client import Counter

        return Counter(name, about, labels, registry=self.registry)

    def gauge(self, name: str, about: str) -> "Gauge":
        """Make a number that goes up and down."""
        from prometheus_client import Gauge

        return Gauge(name, about, registry=self.registry)

    def seconds(self, name: str, about: str, *labels: str) -> "Histogram":
        """Make a histogram of times."""
        from prometheus_client import Histogram

        return Histogram(name, about, labels, registry=self.registry, buckets=QUERY_BUCKETS)


class _Ingest:
    """Metrics of requests to store spans."""

    def __init__(self, make: _Families) -> None:
        self.requests = make.counter("spanlake_ingest_requests", "Requests to store spans.", "protocol", "code")
        self.received_spans = make.counter("spanlake_ingest_spans_received", "Spans in well-formed requests.")
        self.received_bytes = make.counter(
            "spanlake_ingest_bytes_received", "Bytes of request bodies, after decompression."
        )
        self.rejected_spans = make.counter("spanlake_ingest_spans_rejected", "Spans that were not stored.", "reason")
        self.truncated = make.counter(
            "spanlake_ingest_attributes_truncated",
            "Attributes whose key or value was longer than allowed, and was cut off.",
            "tenant",
        )
        self.repeated = make.counter("spanlake_ingest_requests_repeated", "Requests that had been stored before.")
        self.flight = make.gauge("spanlake_ingest_in_flight_bytes", "Bytes of requests being read, queued or stored.")
        self.commits = make.seconds("spanlake_commit_duration_seconds", "Time to decode and store a group of requests.")


class _Tenants:
    """Metrics of tenants, by their names."""

    def __init__(self, make: _Families) -> None:
        self.accepted = make.counter("spanlake_tenant_spans_accepted", "Spans stored, by tenant.", "tenant")
        self.refused = make.counter("spanlake_tenant_spans_refused", "Spans not stored, by tenant.", "tenant", "reason")
        self.refused_bytes = make.counter(
            "spanlake_tenant_bytes_refused",
            "Bytes of requests refused before their spans were counted, by tenant.",
            "tenant",
            "reason",
        )


class _Blocks:
    """Metrics of stored blocks."""

    def __init__(self, make: _Families) -> None:
        self.written_blocks = make.counter("spanlake_blocks_written", "Blocks written by ingest.")
        self.written_bytes = make.counter("spanlake_blocks_written_bytes", "Bytes of the blocks written by ingest.")
        self.waiting_blocks = make.gauge("spanlake_blocks_waiting", "Live blocks not merged yet.")
        self.quarantined_days = make.gauge(
            "spanlake_quarantined_days", "Days of tenants whose blocks cannot be merged."
        )
        self.deleted_blocks = make.counter("spanlake_deleted_blocks", "Blocks whose objects were deleted.", "reason")
        self.deleted_spans = make.counter(
            "spanlake_deleted_spans", "Spans in the blocks deleted, of garbage 0.", "reason"
        )
        self.deleted_bytes = make.counter("spanlake_deleted_bytes", "Bytes of the blocks deleted.", "reason")
        self.garbage_refused = make.counter(
            "spanlake_garbage_refused", "Objects without an index entry that were left in place, counted at each check."
        )
        self.missing_blocks = make.counter(
            "spanlake_missing_blocks", "Live blocks with missing objects, counted at each access."
        )


class _Merges:
    """Metrics of compaction."""

    def __init__(self, make: _Families) -> None:
        self.count = make.counter("spanlake_compactions", "Merges by compaction.")
        self.lost = make.counter("spanlake_compactions_lost", "Merges abandoned because a block had changed.")
        self.blocks = make.counter("spanlake_compacted_blocks", "Blocks merged.")
        self.spans = make.counter("spanlake_compacted_spans", "Spans in the blocks merged.")
        self.bytes = make.counter("spanlake_compacted_bytes", "Bytes of the blocks merged.")
        self.written_bytes = make.counter("spanlake_compaction_written_bytes", "Bytes of blocks written by compaction.")
        self.seconds = make.counter("spanlake_compaction_seconds", "Time spent on merges.")


class Metrics:
    """The metrics of one process, in their own registry; safe to use from any thread."""

    def __init__(self) -> None:
        make = _Families()
        self._registry = make.registry
        self._ingest = _Ingest(make)
        self._of_tenants = _Tenants(make)
        self._blocks = _Blocks(make)
        self._merges = _Merges(make)
        self._queries = make.seconds("spanlake_query_duration_seconds", "Time to answer a query.", "endpoint")
        self._usage = UsageTracker()
        self._registry.register(self._usage)
        self._stored_protocols: set[str] = set()
        self._tenants: set[str] = set()

    def request(self, protocol: str, code: str) -> None:
        """Count a request to store spans by its status code in the protocol."""
        self._ingest.requests.labels(protocol, code).inc()
        if protocol not in self._stored_protocols and code in _STORED:
            self._stored_protocols.add(protocol)
            _log.info("first spans over a protocol", extra={"protocol": protocol})

    def received(self, *, spans: int, size: int) -> None:
        """Count the content of well-formed requests; size in bytes."""
        self._ingest.received_spans.inc(spans)
        self._ingest.received_bytes.inc(size)

    def rejected(self, reasons: Mapping[str, int]) -> None:
        """Count spans that were not stored."""
        for reason, count in reasons.items():
            self._ingest.rejected_spans.labels(reason).inc(count)

    def truncated(self, tenant: str, attributes: int) -> None:
        """Count a tenant's attributes whose key or value was cut off."""
        if attributes:
            self._ingest.truncated.labels(self._tenant_label(tenant)).inc(attributes)

    def usage(self, tenant: str, used: Usage, most: int) -> None:
        """Count the bytes of a tenant's spans by attributes; of labels beyond ``most`` together."""
        self._usage.add(self._tenant_label(tenant), used, most)

    def of_tenant(self, tenant: str, accepted: int, refused: Mapping[str, int]) -> None:
        """Count the spans of a request by tenant; those that were not stored by reason."""
        named = self._tenant_label(tenant)
        self._of_tenants.accepted.labels(named).inc(accepted)
        for reason, count in refused.items():
            self._of_tenants.refused.labels(named, reason).inc(count)

    def refused_bytes(self, tenant: str, reason: str, size: int) -> None:
        """Count the bytes of a request that was refused before its spans were counted."""
        self._of_tenants.refused_bytes.labels(self._tenant_label(tenant), reason).inc(size)

    def _tenant_label(self, tenant: str) -> str:
        """Return the tenant, or a common label once there are many: clients without credentials choose names."""
        if tenant not in self._tenants:
            if len(self._tenants) >= _MOST_TENANTS:
                return _OTHER_TENANTS
            self._tenants.add(tenant)
        return tenant

    def duplicates(self, requests: int) -> None:
        """Count requests that were answered from memory because they had been stored before."""
        self._ingest.repeated.inc(requests)

    def written(self, *, blocks: int, size: int) -> None:
        """Count blocks that ingest wrote; size in bytes."""
        self._blocks.written_blocks.inc(blocks)
        self._blocks.written_bytes.inc(size)

    def merged(self, *, blocks: int, spans: int, size: int, written: int, seconds: float) -> None:
        """Count a merge: the blocks it read, their spans and bytes, and the bytes and time it took."""
        self._merges.count.inc()
        self._merges.blocks.inc(blocks)
        self._merges.spans.inc(spans)
        self._merges.bytes.inc(size)
        self._merges.written_bytes.inc(written)
        self._merges.seconds.inc(seconds)

    def waiting(self, blocks: int) -> None:
        """Set the number of blocks that no merge has taken."""
        self._blocks.waiting_blocks.set(blocks)

    def quarantined(self, days: int) -> None:
        """Set the number of tenants' days that compaction skips."""
        self._blocks.quarantined_days.set(days)

    def merge_lost(self) -> None:
        """Count a merge that was abandoned."""
        self._merges.lost.inc()

    def deleted(self, reason: str, *, blocks: int, spans: int, size: int) -> None:
        """Count blocks whose objects were deleted; size in bytes."""
        self._blocks.deleted_blocks.labels(reason).inc(blocks)
        self._blocks.deleted_spans.labels(reason).inc(spans)
        self._blocks.deleted_bytes.labels(reason).inc(size)

    def garbage_refused(self, objects: int) -> None:
        """Count objects without an entry that were not collected, as they might be data."""
        self._blocks.garbage_refused.inc(objects)

    def missing_blocks(self, blocks: int) -> None:
        """Count live blocks that a query could not read because their objects are missing."""
        self._blocks.missing_blocks.inc(blocks)

    @contextmanager
    def time_commit(self) -> Iterator[None]:
        """Time a commit that succeeds."""
        start = perf_counter()
        yield
        self._ingest.commits.observe(perf_counter() - start)

    @contextmanager
    def time_query(self, endpoint: str) -> Iterator[None]:
        """Time the answer to a query, including failures; endpoint is a route, never a path with ids."""
        start = perf_counter()
        try:
            yield
        finally:
            self._queries.labels(endpoint).observe(perf_counter() - start)

    def observe_flight(self, size: Callable[[], int]) -> None:
        """Read the bytes in flight whenever the metrics are collected."""
        self._ingest.flight.set_function(size)

    def observe_dropped(self, datagrams: Callable[[], Mapping[str, int]]) -> None:
        """Read the dropped datagrams, by protocol, whenever the metrics are collected."""
        self._registry.register(_DroppedCollector(datagrams))

    def observe_store(self, totals: Callable[[], StoreTotals | None]) -> None:
        """Read the totals whenever the metrics are collected; None where the storage does not answer."""
        self._registry.register(_StoreCollector(totals))

    def collect(self) -> "Iterable[Metric]":
        """Return all metrics with their current values."""
        return self._registry.collect()

    def expose(self) -> tuple[bytes, str]:
        """Return all metrics but usage in the Prometheus text format, and its content type."""
        return exposed(self, is_usage=False)

    def expose_usage(self) -> tuple[bytes, str]:
        """Return the metric of usage in the Prometheus text format, and its content type."""
        return exposed(self, is_usage=True)


@dataclass(frozen=True, slots=True)
class _Chosen:
    families: "Iterable[Metric]"

    def collect(self) -> "Iterable[Metric]":
        """Return the families."""
        return self.families


def exposed(metrics: Collector, *, is_usage: bool) -> tuple[bytes, str]:
    """Return either the metric of usage, or all others, in the Prometheus text format, and the content type.

    Usage has a series for each value of an attribute; Tempo shows it apart, too.
    """
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

    chosen = [family for family in metrics.collect() if (family.name == USAGE_METRIC) == is_usage]
    return generate_latest(_Chosen(chosen)), CONTENT_TYPE_PLAIN_0_0_4


class _DroppedCollector:
    """A collector of the kernel's counters, read at the time of collection."""

    def __init__(self, datagrams: Callable[[], Mapping[str, int]]) -> None:
        self._datagrams = datagrams

    def collect(self) -> Iterable["Metric"]:
        """Yield the current counters."""
        from prometheus_client.metrics_core import CounterMetricFamily

        about = "Datagrams dropped by the kernel because its buffer was full."
        family = CounterMetricFamily("spanlake_udp_datagrams_dropped", about, labels=["protocol"])
        for protocol, count in self._datagrams().items():
            family.add_metric([protocol], count)
        yield family


class _StoreCollector:
    """A collector of gauges of the store, read at the time of collection."""

    def __init__(self, totals: Callable[[], StoreTotals | None]) -> None:
        self._totals = totals

    def describe(self) -> Iterable["Metric"]:
        """Return nothing, so that registering does not read the index."""
        return ()

    def collect(self) -> Iterable["Metric"]:
        """Yield the current gauges."""
        from prometheus_client.metrics_core import GaugeMetricFamily

        totals = self._totals()
        if totals is None:
            return
        yield GaugeMetricFamily("spanlake_blocks", "Live blocks.", totals.blocks)
        yield GaugeMetricFamily("spanlake_stored_spans", "Spans in live blocks.", totals.spans)
        yield GaugeMetricFamily("spanlake_stored_bytes", "Bytes of live blocks.", totals.size)
