"""Ids that a query compares with are spelled in one way."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.spans.ids import parse_id
from spanlake.traceql import ast, parse
from spanlake.traceql.ast.walk import walk

TRACE = "0af7651916cd43dd8448eb211c80319c"
DASHED = "0AF76519-16CD-43DD-8448-EB211C80319C"


@pytest.mark.parametrize(
    ("query", "plain"),
    [
        (f'{{ trace:id = "{DASHED}" }}', f'{{ trace:id = "{TRACE}" }}'),
        (f'{{ trace:id != "{TRACE.upper()}" }}', f'{{ trace:id != "{TRACE}" }}'),
        (f'{{ "{DASHED}" = link:traceID }}', f'{{ "{TRACE}" = link:traceID }}'),
        ('{ link:spanID = "AB" }', '{ link:spanID = "00000000000000ab" }'),
        (
            '{ span:id = "AB" || !(span:parentID = "0") }',
            '{ span:id = "00000000000000ab" || !(span:parentID = "0000000000000000") }',
        ),
        (
            '{ .a = 1 } >> { trace:id = "AB" } | count() > 1',
            f'{{ .a = 1 }} >> {{ trace:id = "{0xAB:032x}" }} | count() > 1',
        ),
        ('{ trace:id = "AB" } | rate() by (name)', f'{{ trace:id = "{0xAB:032x}" }} | rate() by (name)'),
        ('{ } | compare({ trace:id = "AB" })', f'{{ }} | compare({{ trace:id = "{0xAB:032x}" }})'),
        # malformed ids, and ids not compared for equality, stay
        ('{ trace:id = "xyz" && span:id = "123456789012345678" }', None),
        (f'{{ span:id = "{DASHED}" }}', None),
        ('{ trace:id =~ "AB.*" && name = "AB" && .id = "AB" && trace:id = 5 }', None),
    ],
)
def test_parse_rewrites_ids_compared_for_equality(query: str, plain: str | None) -> None:
    found = parse(query)
    texts = [node.value for node in walk(found) if isinstance(node, ast.Static) and node.type is ast.Type.STRING]
    assert sorted(texts, key=str) == sorted(re.findall('"([^"]*)"', plain or query))
    assert found == parse(plain or query)
    assert found.text == query


def test_parse_rewrites_ids_of_wide_and_deep_query() -> None:
    wide = " || ".join(f'trace:id = "{n:X}"' for n in range(2000))
    plain = " || ".join(f'trace:id = "{n:032x}"' for n in range(2000))
    assert parse(f"{{ {wide} }}") == parse(f"{{ {plain} }}")
    deep = "(" * 90 + 'trace:id = "A"' + ")" * 90
    assert parse(f"{{ {deep} }}") == parse(f'{{ trace:id = "{10:032x}" }}')


@pytest.mark.parametrize(
    ("text", "length", "found"),
    [
        (TRACE, 16, bytes.fromhex(TRACE)),
        (DASHED, 16, bytes.fromhex(TRACE)),
        (f" {TRACE} ", 16, bytes.fromhex(TRACE)),
        (f"1-{TRACE[:8]}-{TRACE[8:]}", 16, bytes.fromhex(TRACE)),
        (f"1-{TRACE[:8]}-{TRACE[8:]}".upper(), 16, bytes.fromhex(TRACE)),
        (f"1-{TRACE[:8]}-{TRACE[8:]}", 8, None),
        (f"2-{TRACE[:8]}-{TRACE[8:]}", 16, None),
        (f"1-{TRACE[:8]}-{TRACE[8:-1]}", 16, None),
        (f"1-{TRACE[:9]}-{TRACE[9:]}", 16, None),
        ("1", 8, bytes(7) + b"\1"),
        ("", 8, None),
        ("-", 8, None),
        ("0x1", 8, None),
        ("1-1", 16, None),
        (DASHED, 8, None),
        ("1" * 33, 16, None),
        ("\u0661", 8, None),
    ],
)
def test_parse_id_reads_hexadecimal_or_rejects(text: str, length: int, found: bytes | None) -> None:
    assert parse_id(text, length) == found


@given(st.binary(min_size=16, max_size=16), st.booleans(), st.booleans())
def test_parse_id_reads_upper_case_and_short_ids(number: bytes, upper: bool, short: bool) -> None:
    digits = number.hex().lstrip("0") or "0" if short else number.hex()
    assert parse_id(digits.upper() if upper else digits, 16) == number
