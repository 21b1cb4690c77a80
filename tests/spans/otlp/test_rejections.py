"""Tests the message to senders about spans that were not stored."""

import pytest

from spanlake.spans.otlp.validate import REASONS, explain


def test_explain_says_nothing_without_rejections() -> None:
    assert explain({}) == ""


def test_explain_names_each_reason_once_with_its_count() -> None:
    text = explain({"too_old": 2, "malformed": 1})
    assert text == f"3 spans were not stored: {REASONS['malformed']} (1); {REASONS['too_old']} (2)"


@pytest.mark.parametrize("reason", REASONS)
def test_explain_speaks_of_one_span_in_the_singular(reason: str) -> None:
    assert explain({reason: 1}).startswith("1 span was not stored: ")
