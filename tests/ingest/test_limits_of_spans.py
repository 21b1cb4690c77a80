"""Limits of tenants on what spans hold, and their usage: in blocks that are made at once, and of the log."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from spanlake.ingest.log_segments import LogFiles
from spanlake.ingest.logged_commit import LoggedCommit
from spanlake.ingest.pipeline import Pipeline
from spanlake.ingest.request import Commit, Receipt, Request
from spanlake.ingest.service import LogDestination, request_log
from spanlake.ingest.trace_sizes import TraceSizes
from spanlake.receivers import otlp
from spanlake.settings.tenant_limits import TenantLimits
from spanlake.spans.columns import attribute_columns
from spanlake.store.blocks.block import Block
from spanlake.store.errors import StorageUnavailable
from spanlake.telemetry.prometheus import Metrics


@dataclass
class Stored:
    """A commit with limits, what it has stored, and what it has counted."""

    limits: TenantLimits = field(default_factory=TenantLimits)
    metrics: Metrics = field(default_factory=Metrics)
    tables: list[pa.Table] = field(default_factory=list)
    failure: Exception | None = None
    settle: Callable[[], None] = lambda: None
    commit: Commit = field(init=False)

    def limits_of(self, tenant: str) -> TenantLimits:
        """The limits of the tenant ``t``; others have none."""
        return self.limits if tenant == "t" else TenantLimits()

    def write(self, _: str, table: pa.Table, __: bytes, ___: int = 0) -> Sequence[Block]:
        """Keep spans, or fail."""
        if self.failure is not None:
            raise self.failure
        self.tables.append(table)
        return []

    def send(self, *requests: ExportTraceServiceRequest, tenant: str = "t") -> list[Any]:
        """Store requests together; returns their outcomes."""
        outcomes = self.commit(tenant, [Request.of(each.SerializeToString()) for each in requests])
        self.settle()
        return outcomes

    def names(self) -> Counter[str]:
        """The names of the spans that were stored."""
        return Counter(str(name) for table in self.tables for name in table["name"].to_pylist())

    def samples(self, name: str) -> dict[tuple[tuple[str, str], ...], float]:
        """The values of a metric by labels."""
        text = self.metrics.expose()[0] + self.metrics.expose_usage()[0]
        families = text_string_to_metric_families(text.decode())
        every = [sample for family in families for sample in family.samples if sample.name == name]
        return {tuple(sorted(sample.labels.items())): sample.value for sample in every}


@pytest.fixture(params=["at once", "logged"])
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stored]:
    stored = Stored()
    pipeline = Pipeline(otlp.read, stored.write, stored.metrics, limits_of=stored.limits_of)
    stored.commit = pipeline
    if request.param == "at once":
        yield stored
        return
    to = LogDestination(LogFiles.of(tmp_path), stored.write, lambda: None)
    log = request_log(to, stored.metrics, stored.limits_of)
    stored.commit, stored.settle = LoggedCommit(log, pipeline, stored.metrics), log.settle
    log.start()
    yield stored
    log.close()


def export(
    *spans: tuple[str, int], service: str = "shop", filler: int = 0, **attributes: str
) -> ExportTraceServiceRequest:
    """A request with spans of these names, each in the trace of this number."""
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.add(key="service.name").value.string_value = service
    for name, trace in spans:
        span = resource_spans.scope_spans.add().spans.add(
            name=name, trace_id=trace.to_bytes(16), span_id=b"12345678", start_time_unix_nano=time.time_ns()
        )
        for key, value in {"filler": "f" * filler, **attributes}.items():
            span.attributes.add(key=key).value.string_value = value
    return request


def attributes(table: pa.Table) -> dict[str, str]:
    """The attributes of the first span and its resource that have columns."""
    row = table.to_pylist()[0]
    return {column.key: row[column.name] for column in attribute_columns(table.schema)}


def test_keys_and_texts_are_cut_to_the_tenants_length(stored: Stored) -> None:
    stored.limits = TenantLimits(attribute_bytes=12)
    stored.send(export(("a", 1), filler=13, a_key_beyond_it="é" * 9, b="123456789012"))
    stored.send(export(("a", 1), a_key_beyond_it="é" * 9), tenant="other")
    cut, whole = (attributes(table) for table in stored.tables)
    assert cut == {"service.name": "shop", "filler": "f" * 12, "a_key_beyond": "é" * 6, "b": "123456789012"}
    assert whole == {"service.name": "shop", "filler": "", "a_key_beyond_it": "é" * 9}
    assert stored.samples("spanlake_ingest_attributes_truncated_total") == {(("tenant", "t"),): 2}


def test_spans_beyond_a_traces_size_are_refused_and_neighbours_stored(stored: Stored) -> None:
    stored.limits = TenantLimits(trace_bytes=3000)
    first = stored.send(export(("a", 1), ("b", 1), filler=1000))
    beyond, neighbour = stored.send(export(("c", 1), ("d", 2), filler=1000), export(("e", 2)))
    assert first == [Receipt(2)]
    assert beyond.rejected == {"trace_too_large": 1}
    assert "the trace is larger" in beyond.explanation
    assert neighbour == Receipt(1)
    stored.send(export(*[("other", 1)] * 4, filler=1000), tenant="other")
    assert stored.names() == Counter("abde") + Counter({"other": 4})
    refused = stored.samples("spanlake_tenant_spans_refused_total")
    assert refused == {(("reason", "trace_too_large"), ("tenant", "t")): 1}


def test_a_smaller_part_of_a_large_trace_still_fits(stored: Stored) -> None:
    stored.limits = TenantLimits(trace_bytes=3000)
    large, small = stored.send(export(("a", 1), ("b", 1), ("c", 1), filler=1000), export(("d", 1)))
    assert large.rejected == {"trace_too_large": 3}
    assert small == Receipt(1)
    assert stored.names() == Counter("d")


def test_traces_do_not_grow_by_what_could_not_be_stored() -> None:
    stored = Stored(TenantLimits(trace_bytes=2000))
    stored.commit = Pipeline(otlp.read, stored.write, stored.metrics, limits_of=stored.limits_of)
    stored.failure = StorageUnavailable("full")
    for _ in range(3):
        assert isinstance(stored.send(export(("a", 1), filler=1000))[0], StorageUnavailable)
    stored.failure = None
    assert stored.send(export(("a", 1), filler=1000)) == [Receipt(1)]


def test_sizes_of_traces_take_bounded_memory() -> None:
    sizes = TraceSizes(most_traces=10)
    for number in range(100):
        assert sizes.take("t", [(b"kept", 1), (b"%d" % number, 1)], most=200) == [True, True]
    assert sizes.take("t", [(b"kept", 101)], most=200) == [False]
    assert sizes.take("t", [(b"0", 200)], most=200) == [True]
    assert sum(len(traces) for part in (sizes._recent, sizes._older) for traces in part.values()) <= 20


USAGE = "tempo_usage_tracker_bytes_received_total"


def test_usage_is_counted_by_tenant_and_attributes(stored: Stored) -> None:
    stored.limits = TenantLimits(
        usage_attributes=(("service.name", "service"), ("span.team", "team"), ("zone", "zone"))
    )
    request = export(("a", 1), ("b", 1), filler=100, team="core")
    stored.send(request)
    stored.send(export(("a", 1), service="bank"))
    stored.send(export(("a", 1)), tenant="other")
    found = {
        (labels["service"], labels["team"], labels["zone"], labels["tenant"], labels["tracker"]): value
        for labels, value in ((dict(each), value) for each, value in stored.samples(USAGE).items())
    }
    (resource_spans,) = request.resource_spans
    least = sum(span.ByteSize() for scope in resource_spans.scope_spans for span in scope.spans)
    assert set(found) == {
        ("shop", "core", "__missing__", "t", "cost-attribution"),
        ("bank", "__missing__", "__missing__", "t", "cost-attribution"),
    }
    assert least < found["shop", "core", "__missing__", "t", "cost-attribution"] <= request.ByteSize()
    assert USAGE.encode() not in stored.metrics.expose()[0]


def test_usage_beyond_the_limit_of_series_is_counted_together(stored: Stored) -> None:
    stored.limits = TenantLimits(usage_attributes=(("service.name", "service"),), usage_series=2)
    for service in "abcd":
        stored.send(export(("a", 1), service=service))
    found = stored.samples(USAGE)
    services = {dict(labels)["service"]: value for labels, value in found.items()}
    assert set(services) == {"a", "b", "__overflow__"}
    assert services["__overflow__"] == services["a"] * 2
