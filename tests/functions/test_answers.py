"""Answers too large for Lambda: compressed where that is allowed, refused with advice otherwise, never cut."""

import gzip
import json
import random
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.responses import Response

from spanlake.aws_lambda.answers import LIMIT, fits, takes_gzip
from spanlake.aws_lambda.http import http_handler
from tests.functions.events import Context, body_of, http_event

JSON, PROTOBUF = "application/json", "application/protobuf"
NOISE = random.Random(1).randbytes(LIMIT)


def answered(body: bytes, media_type: str, accepted: str = "") -> Mapping[str, Any]:
    event = http_event("GET", "/", headers={"accept-encoding": accepted} if accepted else {})
    answer: Mapping[str, Any] = http_handler(Response(body, media_type=media_type), "tenant")(event, Context())
    assert len(json.dumps(answer, ensure_ascii=False).encode()) <= LIMIT
    return answer


@pytest.mark.parametrize(
    ("body", "media_type"),
    [
        (b"", JSON),
        (b'{"traces":[]}', JSON),
        (b"a" * (LIMIT - 50_000), JSON),
        (NOISE[: LIMIT * 3 // 4 - 50_000], PROTOBUF),
    ],
)
@pytest.mark.parametrize("accepted", ["", "gzip"])
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
    ],
)
def test_what_is_too_large_is_compressed(body: bytes, media_type: str) -> None:
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


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("deflate, br", False),
        ("gzipped", False),
        ("", False),
    ],
)
def test_what_an_accept_encoding_allows(accepted: str, taken: bool) -> None:
    assert takes_gzip(accepted) is taken


def test_a_text_is_measured_as_json_will_have_it() -> None:
    escaped = b"\x00" * (LIMIT // 6)
    assert not fits(escaped, JSON)
    assert fits(escaped, PROTOBUF)
