"""JSON bodies that are not as they should be cost what is wrong in them, and nothing else."""

import contextlib
import json
import math
from typing import Any

import pytest

from spanlake.receivers.json_parser import parse

REPAIRED: dict[str, tuple[bytes, Any]] = {
    "lone high surrogate": (rb'["a\ud800b"]', ["a\ufffdb"]),
    "lone low surrogate": (rb'["a\uDC00b"]', ["a\ufffdb"]),
    "lone surrogate in a name": (rb'{"a\ud800":1}', {"a\ufffd": 1}),
    "surrogate pair": (rb'["\ud83c\udf73"]', ["\U0001f373"]),
    "surrogate pair beside a lone one": (rb'["\ud83c\udf73\ud83c"]', ["\U0001f373\ufffd"]),
    "escaped backslash before u": (rb'["\\ud800", "\ud800"]', ["\\ud800", "\ufffd"]),
    "byte that is not UTF-8": (b'["a\xffb"]', ["a\ufffdb"]),
    "byte order mark": (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
    "UTF-16": ('{"a":"é"}'.encode("utf-16"), {"a": "é"}),
    "control character": (b'["a\tb\n"]', ["a\tb\n"]),
    "infinity": (b"[Infinity,-Infinity,1e999]", [math.inf, -math.inf, math.inf]),
    "5,000 digits": (b"[" + b"9" * 5000 + b"]", [math.inf]),
    "20 digits": (b"[99999999999999999999]", [99999999999999999999]),
    "same name twice": (b'{"a":1,"a":2}', {"a": 2}),
    "same name twice, repaired": (b'{"a":1,"a":"\xff"}', {"a": "\ufffd"}),
    "many brackets in a string": (b'["' + b"[{," * 5000 + b'"]', ["[{," * 5000]),
}


@pytest.mark.parametrize(("body", "expected"), REPAIRED.values(), ids=REPAIRED.keys())
def test_parse_repairs_value(body: bytes, expected: object) -> None:
    assert parse(body) == expected


def test_parse_reads_nan() -> None:
    assert math.isnan(parse(b"NaN"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("depth", "is_kept"), [(90, True), (100, False), (5000, False), (100_000, False)])
def test_parse_replaces_deep_values(depth: int, is_kept: bool) -> None:
    body = b'{"deep":' + b'[{"name":"]]]","x":' * depth + b'"leaf"' + b"}]" * depth + b',"after":1}'

    found = parse(body)

    assert isinstance(found, dict)
    assert found["after"] == 1
    assert ("leaf" in json.dumps(found)) == is_kept


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1,", b"{'a':1}", b"[1] 2", b"hello", b"\xff\xfe\xfd", b'["', b"[" * 100_000, b"]" * 300]
)
def test_parse_rejects_text_that_is_not_json(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"not JSON|are empty"):
        parse(body)


@pytest.mark.parametrize("body", [b"[" + b"{}," * 100_000 + b"{}]", b"[" + b"[]," * 100_000 + b"1]", b"[1" * 100_000])
def test_parse_rejects_mostly_empty_bodies(body: bytes) -> None:
    with pytest.raises(ValueError, match="are empty"):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 500_000,
        b'["\xff",' + b'"' * 500_000,
        b'["' + b"\\n" * 500_000 + b'\\ud800"]',
        b'[{"a":"' * 100_000 + b"\\",
    ],
)
def test_parse_takes_linear_time(body: bytes) -> None:
    """In square time each takes longer than a test may."""
    with contextlib.suppress(ValueError):
        parse(body)


@pytest.mark.parametrize(
    "body",
    [b"[" + b"1111111," * 4_000_001 + b"1]", b"[" + b'{"a":1},' * 1_000_001 + b"1]"],
    ids=["values", "objects"],
)
def test_parse_rejects_more_values_or_objects_than_allowed(body: bytes) -> None:
    with pytest.raises(ValueError, match="more than 1000000 objects or 4000000 values: send fewer spans at a time"):
        parse(body)
