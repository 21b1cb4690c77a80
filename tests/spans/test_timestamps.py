"""Times are told apart by their size."""

import pytest

from spanlake.spans.timestamps import SECOND_NS, parse_time, unix_time

NOON = 1_795_348_800 * SECOND_NS  # 2026-11-22 12:00 UTC


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1795348800", NOON),
        ("+1795348800", NOON),
        ("1795348800.5", NOON + SECOND_NS // 2),
        ("1795348800000", NOON),
        ("1795348800000.5", NOON + 500_000),
        ("1795348800000001", NOON + 1000),
        ("1795348800000000001", NOON + 1),
        ("0", 0),
        ("-5", -5 * SECOND_NS),
        ("-1795348800000", -NOON),
        ("99999999999", 99_999_999_999 * SECOND_NS),
        ("100000000000", 100_000_000_000 * 1_000_000),
        ("9999999999999999999", 9_999_999_999_999_999_999),
    ],
)
def test_unix_time_of_every_unit(text: str, time: int) -> None:
    assert unix_time(text) == parse_time(text) == time


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-22T12:00:00Z", NOON),
        ("2026-11-22t12:00:00z", NOON),
        ("2026-11-22T12:00Z", NOON),
        ("2026-11-22T13:00:00.25+01:00", NOON + SECOND_NS // 4),
        ("2026-11-22T13:00:00 01:00", NOON),
        ("2026-11-22T11:00:00-0100", NOON),
        ("2026-11-22T12:00:00.123456789Z", NOON + 123_456_789),
        ("2026-11-22T12:00:00.1234567899Z", NOON + 123_456_789),
        ("1969-12-31T23:59:59.5Z", -SECOND_NS // 2),
    ],
)
def test_rfc_3339(text: str, time: int) -> None:
    assert parse_time(text) == time
    assert unix_time(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1e9",
        "1.",
        ".5",
        "9" * 20,
        "2026-11-22",
        "2026-11-22T12:00:00",
        "now",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "2026-13-01T00:00:00Z",
        " 1",
    ],
)
def test_text_that_is_no_time(text: str) -> None:
    assert parse_time(text) is None
