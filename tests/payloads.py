"""Requests to store spans, and the blocks they end up in."""

import time
from collections.abc import Iterable
from pathlib import Path

import pyarrow.parquet as pq
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

DAY_NS = 86_400 * 10**9


def export_request(*names: str, start_ns: int | None = None, filler: int = 0) -> ExportTraceServiceRequest:
    """A request with one span of each name, a trace for all; ``filler`` adds an attribute of so many bytes to each."""
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "tests"
    start = time.time_ns() if start_ns is None else start_ns
    for number, name in enumerate(names, 1):
        span = resource.scope_spans.add().spans.add(name=name, trace_id=b"t" * 16, span_id=number.to_bytes(8))
        span.start_time_unix_nano, span.end_time_unix_nano = start, start + 10**6
        if filler:
            span.attributes.add(key="filler").value.string_value = "f" * filler
    return request


_SETTLED_SECONDS = 10.0


def stored_names(data: Path, tenant: str = "single-tenant") -> list[str]:
    """The names of all spans in a data directory's blocks of a tenant, in alphabetical order."""
    return sorted(name for file in block_files(data, tenant) for name in _names(file))


def block_files(data: Path, tenant: str = "single-tenant") -> Iterable[Path]:
    """The blocks of a tenant, when a server has made blocks of what it has acknowledged."""
    end = time.monotonic() + _SETTLED_SECONDS
    while any(data.glob("log/*.log")) and time.monotonic() < end:
        time.sleep(0.01)
    return data.glob(f"spans/tenant={tenant}/*/*.parquet")


def _names(file: Path) -> list[str]:
    return [str(name) for name in pq.ParquetFile(file).read(["name"])["name"].to_pylist()]
