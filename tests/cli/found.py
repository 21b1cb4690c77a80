"""A search's answer, as Tempo writes it."""

from typing import Any

from tests.cli.spans import MS, START_NS


def attribute(key: str, **value: object) -> dict[str, object]:
    """A KeyValue in JSON."""
    return {"key": key, "value": value}


def found_span(
    number: int, name: str, *attributes: dict[str, object], after_ms: int = 0, length_ms: int = 1
) -> dict[str, object]:
    """A matched span, so long after the trace's start."""
    return {
        "spanID": f"{number:016x}",
        "name": name,
        "startTimeUnixNano": str(START_NS + after_ms * MS),
        "durationNanos": str(length_ms * MS),
        "attributes": list(attributes),
    }


def two_traces() -> dict[str, Any]:
    """Returns a trace with two spans shown of five that matched, and a minimal trace whose root is not known."""
    status, code = attribute("status", stringValue="error"), attribute("http.status_code", intValue="503")
    spans = [found_span(1, "GET /cart", status, code, after_ms=20, length_ms=30), found_span(2, "bank", status)]
    matched = {"spans": spans, "matched": 5}
    short = {"spans": [{"spanID": "3", "startTimeUnixNano": str(START_NS)}], "matched": 1}
    return {
        "traces": [
            {
                "traceID": "dc6e5acb6278826456b88e40d10c870e",
                "rootServiceName": "frontend",
                "rootTraceName": "GET /checkout",
                "startTimeUnixNano": str(START_NS),
                "durationMs": 1500,
                "spanSet": matched,
                "spanSets": [matched],
            },
            {"traceID": "f5b165224a58b791", "startTimeUnixNano": str(START_NS + 5 * MS), "spanSets": [short]},
        ],
        "metrics": {"inspectedTraces": 2},
    }
