"""Large traces are written in parts, which end when nobody waits for them."""

import json

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

from spanlake.api.tempo.trace_chunks import bounded, chunks, still_wanted
from spanlake.api.tempo.trace_json import items, trace_v1
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.spans.otlp.decode import decode
from tests.payloads import export_request


def spans(traces: TracesData) -> list[str]:
    return [span.name for each in traces.resource_spans for scope in each.scope_spans for span in scope.spans]


def test_chunks_hold_all_spans_in_order_of_start() -> None:
    request = export_request("a", "b", "c", "d", "e")
    every = [span for scope in request.resource_spans[0].scope_spans for span in scope.spans]
    for number, span in enumerate(every):
        span.start_time_unix_nano -= number * 1000
    parts = list(map(TracesData.FromString, chunks(decode([request.SerializeToString()]).table, lambda: None, 2)))
    assert [sorted(spans(part)) for part in parts] == [["d", "e"], ["b", "c"], ["a"]]
    whole = json.loads(trace_v1(map(items, parts)))
    assert len(whole["batches"]) == 3
    assert len(spans(TracesData.FromString(b"".join(part.SerializeToString() for part in parts)))) == 5


def test_chunks_end_when_the_asker_is_gone() -> None:
    stop = Cancellation()
    table = decode([export_request("a", "b", "c").SerializeToString()]).table
    parts = chunks(table, still_wanted(stop, Limits()), 2)
    next(parts)
    stop.cancel()
    with pytest.raises(Cancelled):
        next(parts)


def test_chunks_end_when_time_is_up() -> None:
    table = decode([export_request("a").SerializeToString()]).table
    with pytest.raises(LimitExceeded, match="took longer than 0 s"):
        next(chunks(table, still_wanted(Cancellation(), Limits(seconds=0))))


def test_answer_larger_than_its_share_of_memory_is_refused() -> None:
    with pytest.raises(LimitExceeded, match="larger than 1 MiB"):
        list(bounded([bytes(1 << 20), b"x"], Limits(memory_bytes=4 << 20)))
