import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanlake.cli.printable import printable


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("GET /café/日本 ✓ 🛒", "GET /café/日本 ✓ 🛒"),
        ("a\nb\tc", r"a\nb\tc"),
        ("\x1b[31m", r"\x1b[31m"),
        ("\x00\x7f\x9b", r"\x00\x7f\x9b"),
        ("\u202e\u200b\u2028\ufeff", r"\u202e\u200b\u2028\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("\ud800", r"\ud800"),
        ("", ""),
    ],
)
def test_printable_escapes_control_characters(given_text: str, shown: str) -> None:
    assert printable(given_text) == shown


@given(st.text(st.characters()))
def test_printable_leaves_no_invisible_character(text: str) -> None:
    shown = printable(text)
    assert not {unicodedata.category(char) for char in shown} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    shown.encode()
