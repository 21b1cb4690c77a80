"""Answers too large for Lambda: compressed where that is allowed, refused with advice otherwise, never cut."""

import gzip
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.responses import Response

from spanlake.api.response_compression import SMALLEST, CompressedAnswers
from spanlake.aws.http import LIMIT, fits, http_handler
from tests.aws.events import Context, body_of, http_event

JSON, PROTOBUF = "application/json", "application/protobuf"
NOISE = random.Random(1).randbytes(LIMIT)


def answered(body: bytes, media_type: str, accepted: str = "") -> Mapping[str, Any]:
    event = http_event("GET", "/", headers={"accept-encoding": accepted} if accepted else {})
    app = CompressedAnswers(Response(body, media_type=media_type))
    answer: Mapping[str, Any] = http_handler(app)(event, Context())
    assert len(json.dumps(answer, ensure_ascii=False).encode()) <= LIMIT
    return answer


@pytest.mark.parametrize(
    ("body", "media_type", "accepted"),
    [
        (b"", JSON, "gzip"),
        (b'{"traces":[]}', JSON, "gzip"),
        (b"a" * (SMALLEST - 1), JSON, "gzip"),
        (b"a" * (LIMIT - 50_000), JSON, ""),
        (NOISE[: LIMIT * 3 // 4 - 50_000], PROTOBUF, ""),
    ],
)
def test_what_fits_is_left_as_it_is(body: bytes, media_type: str, accepted: str) -> None:
    answer = answered(body, media_type, accepted)
    assert body_of(answer) == body
    assert "content-encoding" not in answer["headers"]


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"a" * 3 * LIMIT, JSON),
        (b'"' * (LIMIT - 50_000), JSON),  # twice as long in JSON
        ("ü".encode() * (LIMIT // 2), JSON),
        (b"a" * LIMIT, PROTOBUF),  # longer in base64
        (b"a" * SMALLEST, JSON),
    ],
)
def test_what_is_large_is_compressed(body: bytes, media_type: str) -> None:
    answer = answered(body, media_type, "br, gzip;q=0.5")
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-encoding"] == "gzip"
    assert answer["headers"]["content-type"].startswith(media_type)
    assert answer["headers"]["vary"] == "Accept-Encoding"
    assert gzip.decompress(body_of(answer)) == body


@pytest.mark.parametrize(
    ("body", "accepted", "advice"),
    [(b"a" * 2 * LIMIT, "", b"Accept-Encoding: gzip"), (NOISE, "gzip", b"shorter time range")],
)
def test_what_does_not_fit_is_refused(body: bytes, accepted: str, advice: bytes) -> None:
    answer = answered(body, PROTOBUF, accepted)
    assert answer["statusCode"] == 422
    assert advice in body_of(answer)


def test_a_text_is_measured_as_json_will_have_it() -> None:
    escaped = b"\x00" * (LIMIT // 6)
    assert not fits(escaped, JSON)
    assert fits(escaped, PROTOBUF)
