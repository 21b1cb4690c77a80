"""Makes traces of the demo's shop: the same for the same seed and times."""

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from spanlake.cli.demo.incident import Incident
from spanlake.cli.demo.operation import Attributes, Call, Failure, Operation
from spanlake.cli.demo.services import REGIONS, resource
from spanlake.cli.demo.shop import visits
from spanlake.cli.demo.wire import key_values

_INSTANCES = 3
_TRACES_OF_A_REQUEST = 250
_SPREADS = 0.98  # the chance that a span fails when one that it called did
_MS = 1_000_000
_SHARES = (0.45, 0.35, 0.2)  # of the regions
_SCHEMA = "https://opentelemetry.io/schemas/1.37.0"

Place = tuple[str, str, int, str]  # service, region, instance, version


@dataclass
class _Trace:
    """The spans of a visit as they come to be, by where they run."""

    random: Random
    region: str
    incident: Incident
    spans: list[tuple[Place, str, Span]] = field(default_factory=list)

    def run(
        self, operation: Operation, trace_id: bytes, parent: bytes, start: int, link: bytes = b""
    ) -> tuple[int, bool]:
        """Add the span of an operation and all that it calls; returns its end and whether it failed."""
        if operation.is_apart:
            trace_id, link, parent = self.random.randbytes(16), trace_id + parent, b""
        start += int(self._spread(operation.lag_ms))
        span_id = self.random.randbytes(8)
        change = self.incident.change(operation, self.region, start, self.random)
        now, failed = start + int(self.random.random() * 200_000), False
        began, latest = now, now
        for call in operation.calls:
            began, now, did_fail = self._call(call, trace_id, span_id, began if call.is_beside else latest)
            latest = max(latest, now)
            failed = failed or (did_fail and self.random.random() < _SPREADS)
            if failed:
                break
        failure = change.failure or self._failure(operation)
        end = latest + int(self._spread(operation.own_ms)) + change.delay_ms * _MS
        span = self._span(operation, start, end, failure, is_error=failed or failure is not None)
        span.trace_id, span.span_id, span.parent_span_id = trace_id, span_id, parent
        if link:
            span.links.add(trace_id=link[:16], span_id=link[16:], attributes=key_values({"messaging.batch": 1}))
        instance = start // _MS // 1000 // 60 % _INSTANCES
        self.spans.append(((operation.service, self.region, instance, change.version), operation.library, span))
        return end, failed or failure is not None

    def _call(self, call: Call, trace_id: bytes, parent: bytes, start: int) -> tuple[int, int, bool]:
        """Run a call as often as it happens; returns start, end and whether any failed.

        Messages are not waited for.
        """
        if self.random.random() >= call.chance:
            return start, start, False
        now, failed = start, False
        for _ in range(self.random.randrange(call.most) + 1):
            end, did_fail = self.run(call.operation, trace_id, parent, now)
            if call.operation.lag_ms:
                continue
            now, failed = end, failed or did_fail
        return start, now, failed

    def _spread(self, mean_ms: float) -> float:
        """Return a time in nanoseconds, mostly somewhat below the mean, at times far above it."""
        return mean_ms * _MS * math.exp(self.random.gauss(-0.15, 0.55)) if mean_ms else 0

    def _failure(self, operation: Operation) -> Failure | None:
        failure = operation.failure
        return failure if failure is not None and self.random.random() < failure.chance else None

    def _span(self, operation: Operation, start: int, end: int, failure: Failure | None, *, is_error: bool) -> Span:
        attributes = {
            **operation.attributes,
            **operation.varying(self.random),
            **(operation.on_error if is_error else {}),
        }
        if failure:
            attributes |= {"error.type": failure.type, **failure.attributes}
        span = Span(
            name=operation.name,
            kind=operation.kind,  # type: ignore[arg-type]
            start_time_unix_nano=start,
            end_time_unix_nano=end,
            attributes=key_values(attributes),
            flags=0x101,
        )
        if is_error:
            span.status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR, message=failure.message if failure else ""))
        if failure:
            span.events.add(name="exception", time_unix_nano=end, attributes=key_values(_exception(operation, failure)))
        return span


def _exception(operation: Operation, failure: Failure) -> Attributes:
    stack = (
        f"{failure.type}: {failure.message}\n"
        f"    at shop.{operation.service}.Service.run(Service.java:118)\n"
        f"    at shop.{operation.service}.Handler.handle(Handler.java:{40 + len(operation.name)})\n"
        "    at io.grpc.stub.ServerCalls$UnaryServerCallHandler.startCall(ServerCalls.java:182)\n"
        "    at java.base/java.util.concurrent.ThreadPoolExecutor.runWorker(ThreadPoolExecutor.java:1144)"
    )
    return {"exception.type": failure.type, "exception.message": failure.message, "exception.stacktrace": stack}


@dataclass
class Shop:
    """A shop that visitors come to, from a seed on."""

    seed: int
    incident: Incident

    def __post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - traces to look at
        found = visits()
        self._operations, self._weights = list(found), list(found.values())

    def between(self, start_ns: int, end_ns: int, traces: int) -> Iterator[bytes]:
        """Yield requests of OTLP with about so many traces that start in a range, in the order of their starts."""
        starts = sorted(self._moment(start_ns, end_ns) for _ in range(traces))
        for first in range(0, len(starts), _TRACES_OF_A_REQUEST):
            yield self._request(starts[first : first + _TRACES_OF_A_REQUEST])

    def _moment(self, start_ns: int, end_ns: int) -> int:
        """Return a time in the range, more often one of the day than of the night; the incident is at noon."""
        while True:
            found = self._random.randrange(start_ns, end_ns)
            hours = (found - self.incident.start_ns) / 1e9 / 3600  # since noon, as it were
            if self._random.random() < 0.6 + 0.4 * math.cos((hours - 1) / 12 * math.pi):
                return found

    def _request(self, starts: list[int]) -> bytes:
        spans: dict[Place, dict[str, list[Span]]] = defaultdict(lambda: defaultdict(list))
        for start in starts:
            (region,) = self._random.choices(REGIONS, _SHARES)
            (operation,) = self._random.choices(self._operations, self._weights)
            trace = _Trace(self._random, region, self.incident)
            trace.run(operation, self._random.randbytes(16), b"", start)
            for place, library, span in trace.spans:
                spans[place][library].append(span)
        return _encoded(spans)


def _encoded(spans: Mapping[Place, Mapping[str, list[Span]]]) -> bytes:
    request = ExportTraceServiceRequest()
    for (service, region, instance, version), libraries in spans.items():
        group = request.resource_spans.add(schema_url=_SCHEMA)
        group.resource.attributes.extend(key_values(resource(service, region, instance, version)))
        for library, found in libraries.items():
            scope = group.scope_spans.add(spans=found)
            scope.scope.name = f"io.opentelemetry.{library}" if library else f"shop.{service}"
            scope.scope.version = "2.20.1" if library else "1.0.0"
    return request.SerializeToString()
