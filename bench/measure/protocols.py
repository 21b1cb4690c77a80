"""Measures the cost of spans in each protocol, from the bytes of a request to a block in the index."""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.table import Table

from bench.measure.report import console
from bench.workload import translations
from bench.workload.generate import LARGE, Workload, arguments, bodies
from spanlake.ingest.pipeline import Pipeline, to_otlp
from spanlake.ingest.request import Format, Receipt, Request
from spanlake.receivers import otlp
from spanlake.receivers.jaeger import protobuf, thrift
from spanlake.receivers.opencensus import translate
from spanlake.receivers.zipkin import v2_json
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.write import write
from spanlake.telemetry.prometheus import Metrics

_SPANS = 100_000
_GROUP_BYTES = 8 << 20
"""Size of the requests that are committed together, as with concurrent senders."""

Encode = Callable[[ExportTraceServiceRequest], Iterator[bytes]]


@dataclass(frozen=True)
class Case:
    """Encoder and format of a protocol."""

    name: str
    encode: Encode
    format: Format | None


@dataclass(frozen=True)
class Result:
    """Measured cost of a protocol, in CPU seconds."""

    case: Case
    spans: int
    size: int
    translating: float
    storing: float

    def row(self) -> Iterator[str]:
        """The cells of the table."""
        yield self.case.name
        yield f"{self.size / self.spans:,.0f}"
        yield f"{self.translating / self.spans * 1e6:.1f}"
        yield f"{self.spans / self.storing:,.0f}"


CASES = (
    Case("OTLP", lambda request: iter([request.SerializeToString()]), None),
    Case("Zipkin v2 JSON", translations.zipkin_json, Format.of_each("zipkin", v2_json.spans)),
    Case("Jaeger Thrift", translations.jaeger_thrift, Format("thrift", thrift.http_batches)),
    Case("Jaeger gRPC", translations.jaeger_proto, Format("jaeger", protobuf.post_spans)),
    Case("OpenCensus", translations.opencensus, Format("opencensus", translate.export_requests)),
)


def measure(case: Case, requests: Sequence[ExportTraceServiceRequest]) -> Result:
    """Store the requests' spans, having put them in the protocol's encoding."""
    encoded = [body for request in requests for body in case.encode(request)]
    groups = list(_groups(case, encoded))
    translating = _seconds(lambda: [to_otlp(group) for group in groups])
    with tempfile.TemporaryDirectory(prefix="spanlake-bench-") as folder:
        index = SqliteIndex(Path(folder) / "index.sqlite")
        pipeline = Pipeline(otlp.read, partial(write, LocalObjects(Path(folder)), index), Metrics())
        storing = _seconds(lambda: _store(pipeline, groups))
        index.close()
    spans = sum(
        len(scope.spans) for each in requests for resource in each.resource_spans for scope in resource.scope_spans
    )
    return Result(case, spans, sum(map(len, encoded)), translating, storing)


def _groups(case: Case, encoded: Sequence[bytes]) -> Iterator[list[Request]]:
    each = max(_GROUP_BYTES * len(encoded) // sum(map(len, encoded)), 1)
    for start in range(0, len(encoded), each):
        yield [Request.of(body, case.format) for body in encoded[start : start + each]]


def _store(pipeline: Pipeline, groups: Iterable[Sequence[Request]]) -> None:
    outcomes = [outcome for group in groups for outcome in pipeline("bench", group)]
    if any(not isinstance(outcome, Receipt) or outcome.rejected for outcome in outcomes):
        raise RuntimeError("spans were refused")


def _seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def main() -> None:
    """Measure every protocol and print the table."""
    parser = arguments(__doc__)
    parser.set_defaults(spans=_SPANS)
    options = parser.parse_args()
    file = Workload(options.spans, LARGE, options.seed, options.end).file()
    requests = [ExportTraceServiceRequest.FromString(body) for body in bodies(file)]
    table = Table("protocol", "bytes/span", "µs/span to translate", "spans/CPU-s, stored", title="Protocols")
    for case in CASES:
        table.add_row(*measure(case, requests).row())
    console().print(table)


if __name__ == "__main__":
    main()
