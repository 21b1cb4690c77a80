"""Requests and answers that are too large for a function: refused with advice, compressed, but never cut."""

import gzip
import json
import random
from collections.abc import Iterator

from tests.aws.end_to_end.kit import PROTOBUF, get, send
from tests.aws.local.stack import Stack
from tests.payloads import export_request

SPANS = 160
MB = 1_000_000

_PARTS = 4


def large_trace(trace_id: bytes, letters: str) -> Iterator[bytes]:
    """Requests whose spans make some 10 MB of JSON together."""
    for part in range(_PARTS):
        request = export_request(*(f"{part} {number}" for number in range(SPANS // _PARTS)))
        spans = [scope.spans[0] for scope in request.resource_spans[0].scope_spans]
        for number, span in enumerate(spans, part * len(spans) + 1):
            text = "".join(random.choices(letters, k=65_000))
            span.trace_id, span.span_id = trace_id, number.to_bytes(8)
            span.attributes.add(key="text").value.string_value = text
        yield request.SerializeToString()


def store(stack: Stack, trace_id: bytes, letters: str) -> str:
    """Where the trace is to be had."""
    for request in large_trace(trace_id, letters):
        assert send(stack, "large", request).status == 200
    return f"/api/traces/{trace_id.hex()}"


def span_names(body: bytes) -> set[str]:
    batches = json.loads(body)["batches"]
    return {span["name"] for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]}


def test_a_request_that_lambda_does_not_take(stack: Stack) -> None:
    body = export_request("one", filler=5 * MB).SerializeToString()
    assert send(stack, "large", body).status == 413


def test_the_same_request_compressed(stack: Stack) -> None:
    body = gzip.compress(export_request("one", filler=5 * MB).SerializeToString())
    assert send(stack, "large", body, {**PROTOBUF, "Content-Encoding": "gzip"}).status == 200


def test_a_request_that_is_too_large_once_it_is_decompressed(stack: Stack) -> None:
    body = gzip.compress(export_request("one", filler=100 * MB).SerializeToString())
    answer = send(stack, "large", body, {**PROTOBUF, "Content-Encoding": "gzip"})
    assert (answer.status, b"send fewer spans at a time" in answer.body) == (413, True)


def test_an_answer_that_fits_when_it_is_compressed(stack: Stack) -> None:
    path = store(stack, b"c" * 16, "ab")
    plain, compressed = (get(stack, "large", path, headers) for headers in ({}, {"Accept-Encoding": "gzip"}))
    assert (plain.status, b"Accept-Encoding: gzip" in plain.body) == (422, True)
    assert (compressed.status, compressed.headers["content-encoding"]) == (200, "gzip")
    assert len(span_names(gzip.decompress(compressed.body))) == SPANS


def test_an_answer_that_does_not(stack: Stack) -> None:
    path = store(stack, b"i" * 16, "".join(map(chr, range(48, 123))))
    answer = get(stack, "large", path, {"Accept-Encoding": "gzip"})
    assert (answer.status, b"also when it is compressed" in answer.body) == (422, True)
