"""Translation of OpenCensus' Node and Resource to an OTLP resource, as the OpenTelemetry Collector does it."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from spanlake.receivers.otlp_rows import Value, attribute, resource

_LANGUAGES = {
    1: "cpp", 2: "dotnet", 3: "erlang", 4: "go", 5: "java", 6: "nodejs", 7: "php", 8: "python", 9: "ruby", 10: "webjs",
}  # fmt: skip
_RENAMED = {"cloud.zone": "cloud.availability_zone"}


def resource_of(node: Any, labels: Any) -> bytes:
    """Encode the resource of a Node and a Resource; empty messages stand for absent ones."""
    return resource([attribute(*item) for item in _attributes(node, labels).items()])


def _attributes(node: Any, labels: Any) -> Mapping[str, Value]:
    """Return the attributes of node and resource; later lines take precedence over earlier ones."""
    attributes: dict[str, Value] = {}
    for label in labels.labels:
        key = _text(label.key)
        attributes[_RENAMED.get(key, key)] = _text(label.value)
    attributes |= {_text(entry.key): _text(entry.value) for entry in node.attributes}
    special: dict[str, Value] = {
        "service.name": _text(node.service_info.name),
        "opencensus.starttime": _start_time(node.identifier),
        "host.name": _text(node.identifier.host_name),
        "process.pid": node.identifier.pid,
        "telemetry.sdk.version": _text(node.library_info.core_library_version),
        "opencensus.exporterversion": _text(node.library_info.exporter_version),
        "telemetry.sdk.language": _LANGUAGES.get(node.library_info.language, ""),
        "opencensus.resourcetype": _text(labels.type),
    }
    return attributes | {key: value for key, value in special.items() if value}


def _start_time(identifier: Any) -> str:
    """Return the start time of a process as RFC 3339, to the nanosecond."""
    if not identifier.HasField("start_timestamp"):
        return ""
    seconds, nanos = divmod(_nanoseconds(identifier.start_timestamp), 1_000_000_000)
    try:
        whole = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return ""
    fraction = f".{nanos:09d}".rstrip("0") if nanos else ""
    return f"{whole:%Y-%m-%dT%H:%M:%S}{fraction}Z"


def _text(encoded: bytes) -> str:
    return encoded.decode(errors="replace")


def _nanoseconds(time: Any) -> int:
    return int(time.seconds * 1_000_000_000 + time.nanos)
