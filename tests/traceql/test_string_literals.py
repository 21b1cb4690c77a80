import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.traceql.literals import quote, unquote

WRITTEN = [
    ("plain", "`plain`"),
    ('a "b" \\ \n', '`a "b" \\ \n`'),
    ('`a`\t"b"\\', '"`a`\\x09\\"b\\"\\\\"'),
    ("a\r", '"a\\x0d"'),
]

BROKEN = [r'"\q"', r'"\'"', r'"\x4"', r'"\400"', r'"\ud800"', r'"\U00110000"', r'"\xff"', r'"\u12"']


@pytest.mark.parametrize(("value", "literal"), WRITTEN)
def test_quote_escapes_special_characters(value: str, literal: str) -> None:
    assert quote(value) == literal


@pytest.mark.parametrize("literal", BROKEN)
def test_unquote_rejects_invalid_escapes(literal: str) -> None:
    with pytest.raises(ValueError, match=r"escape|range|UTF-8"):
        unquote(literal)


def test_unquote_drops_carriage_returns_between_backticks() -> None:
    assert unquote("`a\r\nb`") == "a\nb"


@given(st.text())
def test_unquote_reads_back_quote(value: str) -> None:
    assert unquote(quote(value)) == value
