"""Answers are compressed where clients accept it: whole ones at once, streamed ones piece by piece."""

import asyncio
import zlib
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from spanlake.api.response_compression import SMALLEST, CompressedAnswers, takes_gzip

LARGE = b"spans " * SMALLEST


def asked(app: Any, accepted: str) -> tuple[dict[str, str], list[bytes]]:
    """The headers and the pieces of the body that an application sends."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"accept-encoding", accepted.encode())]}
    asyncio.run(CompressedAnswers(app)(scope | {"asgi": {"spec_version": "2.4"}}, receive, send))
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return headers, [message["body"] for message in sent[1:] if message["body"]]


def unpacked(pieces: list[bytes]) -> list[bytes]:
    """Returns the decompressed content that is available after each piece."""
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    return [decoder.decompress(piece) for piece in pieces]


@pytest.mark.parametrize("body", [LARGE, LARGE * 100, b"a" * SMALLEST])
def test_large_answer_is_compressed(body: bytes) -> None:
    headers, pieces = asked(Response(body), "gzip, deflate, br")
    assert headers["content-encoding"] == "gzip"
    assert headers["vary"] == "Accept-Encoding"
    assert int(headers["content-length"]) == len(pieces[0]) < len(body)
    assert unpacked(pieces) == [body]


def test_large_answer_for_others_varies() -> None:
    headers, pieces = asked(Response(LARGE), "br")
    assert pieces == [LARGE]
    assert headers["vary"] == "Accept-Encoding"
    assert "content-encoding" not in headers


@pytest.mark.parametrize(
    "response", [Response(b"a" * (SMALLEST - 1)), Response(LARGE, headers={"Content-Encoding": "br"})]
)
def test_small_or_encoded_answer_stays(response: Response) -> None:
    headers, pieces = asked(response, "gzip")
    assert pieces == [response.body]
    assert headers.get("content-encoding") != "gzip"
    assert "vary" not in headers


def test_streamed_pieces_can_be_read_as_they_come() -> None:
    async def parts() -> AsyncIterator[bytes]:
        for part in (b"one", LARGE * 20, b"three"):
            yield part

    headers, pieces = asked(StreamingResponse(parts(), headers={"Content-Length": "999"}), "gzip")
    assert headers["content-encoding"] == "gzip"
    assert "content-length" not in headers
    assert [part for part in unpacked(pieces) if part] == [b"one", LARGE * 20, b"three"]


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
