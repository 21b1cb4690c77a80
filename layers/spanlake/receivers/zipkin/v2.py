"""The meaning of Zipkin v2 spans in OTLP, in any encoding, as the OpenTelemetry Collector translates them."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from itertools import islice

from spanlake.receivers import json_parser
from spanlake.receivers.otlp_rows import (
    LATEST_NS,
    Export,
    Span,
    StringAttributes,
    Value,
    attribute,
    clamped,
    event,
    link,
    resource,
    scope,
    status,
)
from spanlake.receivers.translation import MOST_EVENTS, MalformedSpans
from spanlake.spans.otlp.limits import MOST_ATTRIBUTES

_LONGEST = 100


def from_text(text: str) -> str:
    """Return the usual form of an address; empty for any other text."""
    try:
        return _shown(ip_address(text.strip()).packed) if len(text) <= _LONGEST else ""
    except ValueError:
        return ""


def from_bytes(packed: bytes) -> str:
    """Return the usual form of an address of four or sixteen bytes; empty for any other length."""
    return _shown(packed) if len(packed) in (4, 16) else ""


def _shown(packed: bytes) -> str:
    address = ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


_KINDS = {"SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_INTERNAL = 1
_OK, _ERROR = 1, 2
_STATUSES = {"Ok": _OK, "Error": _ERROR, "STATUS_CODE_OK": _OK, "STATUS_CODE_ERROR": _ERROR}
_NAME_SOURCE = "otlp.service.name.source"
_MOST_LINKS = 128

_OF_RESOURCE = frozenset(
    (
        "aws.ecs.cluster.arn", "aws.ecs.container.arn", "aws.ecs.launchtype", "aws.ecs.task.arn",
        "aws.ecs.task.family", "aws.ecs.task.revision", "aws.eks.cluster.arn", "aws.log.group.arns",
        "aws.log.group.names", "aws.log.stream.arns", "aws.log.stream.names", "cloud.account.id",
        "cloud.availability_zone", "cloud.platform", "cloud.provider", "cloud.region", "container.id",
        "container.image.name", "container.image.tag", "container.name", "container.runtime",
        "deployment.environment", "device.id", "device.model.identifier", "device.model.name", "faas.id",
        "faas.instance", "faas.max_memory", "faas.name", "faas.version", "host.arch", "host.id", "host.image.id",
        "host.image.name", "host.image.version", "host.name", "host.type", "k8s.cluster.name", "k8s.container.name",
        "k8s.cronjob.name", "k8s.cronjob.uid", "k8s.daemonset.name", "k8s.daemonset.uid", "k8s.deployment.name",
        "k8s.deployment.uid", "k8s.job.name", "k8s.job.uid", "k8s.namespace.name", "k8s.node.name", "k8s.node.uid",
        "k8s.pod.name", "k8s.pod.uid", "k8s.replicaset.name", "k8s.replicaset.uid", "k8s.statefulset.name",
        "k8s.statefulset.uid", "opencensus.exporterversion", "opencensus.resourcetype", "opencensus.starttime",
        "os.description", "os.name", "os.type", "os.version", "process.command", "process.command_args",
        "process.command_line", "process.executable.name", "process.executable.path", "process.owner", "process.pid",
        "process.runtime.description", "process.runtime.name", "process.runtime.version", "service.instance.id",
        "service.name", "service.namespace", "service.version", "telemetry.auto.version", "telemetry.sdk.language",
        "telemetry.sdk.name", "telemetry.sdk.version", "webengine.description", "webengine.name",
        "webengine.version",
    )
)  # fmt: skip
"""Tags that are attributes of the resource: those of the semantic conventions 1.6.1, and OpenCensus' tags."""
_OF_SCOPE = frozenset({"otel.library.name", "otel.library.version"})
_SPECIAL = (
    _OF_RESOURCE | _OF_SCOPE | {_NAME_SOURCE, "w3c.tracestate", "span.kind", "otel.status_code", "error", "otlp.link.0"}
)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The local or the remote side of a call."""

    service_name: str = ""
    address: str = ""
    port: int = 0


NOWHERE = Endpoint()


@dataclass(slots=True)
class ZipkinSpan:
    """A span of Zipkin's v2 model."""

    trace_id: bytes
    span_id: bytes
    parent_id: bytes
    kind: str
    name: str
    timestamp_us: int
    """Start; 0 when it is missing or, as in Zipkin's own server, negative. The same holds for the duration."""
    duration_us: int
    local: Endpoint
    remote: Endpoint
    annotations: Sequence[tuple[int, str]]
    """Microseconds and value."""
    tags: dict[str, str]
    dropped_tags: int = 0
    """Number of tags that were left out."""


def export(spans: Iterable[ZipkinSpan], *, tells_absent_start: bool) -> bytes:
    """Convert spans to an ExportTraceServiceRequest; ``tells_absent_start`` marks spans without a time."""
    writer = _Writer(tells_absent_start)
    for span in spans:
        writer.add(span)
    return writer.export.to_bytes()


class _Writer:
    """A writer of spans; equal attributes, endpoints and resources are encoded once."""

    def __init__(self, tells_absent_start: bool) -> None:
        self.export = Export()
        self._strings = StringAttributes()
        self._endpoints: dict[tuple[Endpoint, Endpoint], list[bytes]] = {}
        self._resources: dict[str, bytes] = {}
        self._absent = [attribute("otel.zipkin.absentField.startTime", True)] if tells_absent_start else []

    def add(self, span: ZipkinSpan) -> None:
        tags, dropped = span.tags, span.dropped_tags
        if len(tags) > MOST_ATTRIBUTES:
            dropped += len(tags) - MOST_ATTRIBUTES
            tags = dict(islice(tags.items(), MOST_ATTRIBUTES))
        written = _written(span, dropped)
        if _SPECIAL.isdisjoint(tags):
            in_resource, in_scope = self._resource(span.local.service_name), b""
        else:
            in_resource, in_scope = self._tagged_resource(span.local.service_name, tags), _scope(tags)
            _translate(written, tags)
        strings = self._strings
        attributes = [strings[item] for item in tags.items()]
        attributes += self._of_endpoints(span.local, span.remote)
        written.attributes = attributes + self._absent if written.start_ns == 0 else attributes
        self.export.add(in_resource, in_scope, written.encode())

    def _resource(self, service_name: str) -> bytes:
        found = self._resources.get(service_name)
        if found is None:
            attributes = [attribute("service.name", service_name)] if service_name else []
            found = self._resources[service_name] = resource(attributes)
        return found

    def _tagged_resource(self, service_name: str, tags: dict[str, str]) -> bytes:
        """Encode the resource, with the tags that describe it; a resource without a service name has no such tags."""
        source = tags.pop(_NAME_SOURCE, "") or "service.name"
        described = {key: tags.pop(key) for key in _OF_RESOURCE & tags.keys()}
        if not service_name:
            return b""
        attributes = {source: service_name} | dict(sorted(described.items()))
        return resource([self._strings[item] for item in attributes.items()])

    def _of_endpoints(self, local: Endpoint, remote: Endpoint) -> list[bytes]:
        found = self._endpoints.get((local, remote))
        if found is None:
            attributes: list[tuple[str, Value]] = [
                ("network.local.address", local.address),
                ("net.host.port", local.port),
                ("service.peer.name", remote.service_name),
                ("network.peer.address", remote.address),
                ("net.peer.port", remote.port),
            ]
            found = self._endpoints[local, remote] = [attribute(key, value) for key, value in attributes if value]
        return found


def _written(span: ZipkinSpan, dropped_tags: int) -> Span:
    """Convert a span, its tags apart."""
    start = span.timestamp_us * 1000
    end = start + span.duration_us * 1000
    if not 0 <= start <= end <= LATEST_NS:
        start, end = _limited(span.timestamp_us, span.duration_us)
    return Span(
        span.trace_id,
        span.span_id,
        span.parent_id if span.parent_id != span.span_id else b"",
        span.name,
        _KINDS.get(span.kind, 0),
        start,
        end,
        attributes=(),
        events=[_event(*annotation) for annotation in span.annotations[:MOST_EVENTS]] if span.annotations else (),
        dropped=(dropped_tags, max(len(span.annotations) - MOST_EVENTS, 0), 0),
    )


def _limited(timestamp_us: int, duration_us: int) -> tuple[int, int]:
    """Return start and end, in nanoseconds that can be stored, of a span with negative or overlong times."""
    start = max(timestamp_us, 0)
    return clamped(start * 1000), clamped((start + max(duration_us, 0)) * 1000)


def _scope(tags: dict[str, str]) -> bytes:
    """Read the scope from its tags, and take these out of ``tags``."""
    name, version = tags.pop("otel.library.name", ""), tags.pop("otel.library.version", "")
    return scope(name, version) if name else b""


def _translate(span: Span, tags: dict[str, str]) -> None:
    """Move tags that correspond to fields of the span to these fields."""
    span.trace_state = tags.pop("w3c.tracestate", "")
    if not span.kind and tags.pop("span.kind", "") == "internal":
        span.kind = _INTERNAL
    span.status = _status(tags)
    span.links = _links(tags)


def _status(tags: dict[str, str]) -> bytes:
    code, message = 0, ""
    if "otel.status_code" in tags:
        code = _STATUSES.get(tags.pop("otel.status_code"), 0)
        message = tags.pop("otel.status_description", "")
    if "error" in tags:
        code = _ERROR
        if tags["error"] == "true":
            del tags["error"]
    return status(code, message) if code or message else b""


def _event(time_us: int, value: str) -> bytes:
    """Encode an annotation as an event: exporters write ``name|{attributes}|dropped`` for more than a name."""
    parts = value.split("|")
    if len(parts) > 2:
        found = _attributes("|".join(parts[1:-1]), parts[-1])
        if found is None:
            return event(time_us * 1000, value)
        return event(time_us * 1000, parts[0], *found)
    return event(time_us * 1000, parts[0])


def _links(tags: dict[str, str]) -> list[bytes]:
    """Read the links in tags, written ``trace id|span id|state|{attributes}|dropped``; any other tag stays."""
    links = []
    for number in range(_MOST_LINKS):
        key = f"otlp.link.{number}"
        if key not in tags:
            break
        written = _link(tags[key].split("|"))
        if written:
            del tags[key]
            links.append(written)
    return links


def _link(parts: Sequence[str]) -> bytes:
    found = _attributes("|".join(parts[3:-1]), parts[-1]) if len(parts) > 4 else None
    try:
        trace_id, span_id = (bytes.fromhex(part.strip('"')) for part in parts[:2])
    except ValueError:
        return b""
    if found is None or (len(trace_id), len(span_id)) != (16, 8):
        return b""
    return link(trace_id, span_id, found[0], parts[2], found[1])


def _attributes(text: str, dropped: str) -> tuple[list[bytes], int] | None:
    """Read attributes written as a JSON object, and the number of dropped ones; None for any other text."""
    try:
        found, count = json_parser.parse(text.encode()), int(dropped)
    except ValueError:
        return None
    if not isinstance(found, dict) or not 0 <= count < 1 << 32:
        return None
    return [
        attribute(key, _value(value)) for key, value in found.items() if isinstance(value, str | int | float)
    ], count


def _value(value: str | float) -> Value:
    """Convert a number: JSON has one type of numbers, and a number without a fraction is an integer."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value


def malformed(encoding: str, reason: str) -> MalformedSpans:
    """Make the error for a request that cannot be read."""
    return MalformedSpans(f"Zipkin's {encoding}", reason)
