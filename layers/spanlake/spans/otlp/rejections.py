"""Reasons for which single spans of a request are not stored, and their explanations for the sender."""

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "invalid_trace_id": "the trace id is missing, all zero, longer than 16 bytes or not readable",
    "invalid_span_id": "the span id is missing, all zero, longer than 8 bytes or not readable",
    "invalid_start_time": "the start is not a number of nanoseconds since 1970",
    "too_old": "the span started before the retention period: raise --retention to keep such spans",
    "too_new": "the span starts more than a day ahead of this server: check the sender's clock",
    "malformed": "the span cannot be read: check the exporter that wrote it",
}
"""Explanations by reason. The reasons are also label values of a metric, so there are few of them."""


def explain(rejected: Mapping[str, int]) -> str:
    """Explain how many spans were not stored, and why; empty when all were stored."""
    if not rejected:
        return ""
    total = sum(rejected.values())
    spans = "1 span was" if total == 1 else f"{total} spans were"
    reasons = "; ".join(f"{REASONS.get(reason, reason)} ({count})" for reason, count in sorted(rejected.items()))
    return f"{spans} not stored: {reasons}"
