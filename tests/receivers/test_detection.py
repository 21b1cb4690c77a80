"""Tests the description of a body that could not be read."""

import gzip
import json
import struct
import zlib

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.receivers.detection import description, is_json
from tests.payloads import export_request

PROTOBUF, JSON = "application/x-protobuf", "application/json"
BODY = export_request("a").SerializeToString()
TEXT = json.dumps({"resourceSpans": []}).encode()


@pytest.mark.parametrize(
    ("body", "media_type", "word"),
    [
        (TEXT, PROTOBUF, "JSON"),
        (b"\xef\xbb\xbf \n" + TEXT, PROTOBUF, "JSON"),
        (b'[{"id": 1', "application/x-thrift", "JSON"),
        (BODY, JSON, "protobuf"),
        (b"\x0c\x00\x01", JSON, "Thrift"),
        (gzip.compress(BODY), PROTOBUF, "Content-Encoding: gzip"),
        (zlib.compress(TEXT), JSON, "Content-Encoding: zlib"),
        (pa.compress(BODY, "zstd", asbytes=True), PROTOBUF, "Content-Encoding: zstd"),
        (pa.compress(BODY, "lz4", asbytes=True), PROTOBUF, "Content-Encoding: lz4"),
        (b"\xff\x06\x00\x00sNaPpY", PROTOBUF, "x-snappy-framed"),
        (struct.pack(">BI", 0, len(BODY)) + BODY, PROTOBUF, "gRPC"),
        (b"<!DOCTYPE html><html>", JSON, "HTML"),
        (TEXT, JSON, None),
        (BODY, PROTOBUF, None),
        (BODY, "application/protobuf", None),
        (b"\x0c", "application/vnd.apache.thrift.binary", "Thrift"),
        (b"", JSON, None),
        (b"{", PROTOBUF, None),
        (b"x", PROTOBUF, None),
    ],
)
def test_description_names_format_that_headers_do_not_name(body: bytes, media_type: str, word: str | None) -> None:
    found = description(body, media_type)
    assert found is None if word is None else word in (found or "")


@given(st.binary(max_size=200))
def test_description_takes_any_bytes(body: bytes) -> None:
    description(body, PROTOBUF)


@given(
    st.lists(st.dictionaries(st.text(), st.integers())) | st.dictionaries(st.text(), st.integers()), st.text(" \n\t\r")
)
def test_is_json_is_true_of_objects_and_lists_of_objects(value: object, space: str) -> None:
    assert is_json((space + json.dumps(value)).encode())
