import pytest

from spanlake.cli.client.times import TimeRange, step_seconds, time_range
from spanlake.cli.errors import InvalidOption

NOON = 1_795_348_800  # 2026-11-22 12:00 UTC
NOW_NS = NOON * 1_000_000_000 + 1


@pytest.mark.parametrize(
    ("since", "start", "end", "expected"),
    [
        ("", "", "", TimeRange(NOON + 1 - 3600, NOON + 1)),
        ("15m", "", "", TimeRange(NOON + 1 - 900, NOON + 1)),
        ("1.5s", "", "", TimeRange(NOON - 1, NOON + 1)),
        ("", "2026-11-22", "", TimeRange(NOON - 12 * 3600, NOON + 1)),
        ("", "2026-11-22T11:00", "2026-11-22 11:30:00", TimeRange(NOON - 3600, NOON - 1800)),
        ("", "2026-11-22T11:00:00Z", "2026-11-22T11:30:00-02:00", TimeRange(NOON - 3600, NOON + 5400)),
        ("", "10", "20", TimeRange(10, 20)),
        ("", f"{NOON}000", f"{NOON + 5}999999", TimeRange(NOON, NOON + 5)),
        ("5s", "", "20", TimeRange(15, 20)),
        ("100y", "", "", TimeRange(0, NOON + 1)),
    ],
)
def test_time_range_reads_times_and_ages(since: str, start: str, end: str, expected: TimeRange) -> None:
    assert time_range(since, start, end, NOW_NS) == expected


DAY = 1_795_305_600  # 2026-11-22 00:00 UTC


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("now-15m", DAY + 42_300),
        ("now-1h30m", DAY + 37_800),
        ("today", DAY),
        ("9:05", DAY + 32_700),
        ("09:05:30", DAY + 32_730),
        ("yesterday", DAY - 86_400),
        ("yesterday 11:00", DAY - 46_800),
        ("1795305600000", DAY),
        ("1795305600000000000", DAY),
    ],
)
def test_time_range_takes_relative_times(start: str, expected: int) -> None:
    assert time_range("", start, "now", (DAY + 43_200) * 10**9).start == expected


@pytest.mark.parametrize(
    ("since", "start", "end", "complaint"),
    [
        ("1h", "10", "", "exclude each other"),
        ("h", "", "", "invalid --since"),
        ("-1h", "", "", "invalid --since"),
        ("\x1b", "", "", r"invalid --since: \\x1b"),
        ("", "now-", "", "invalid --start"),
        ("", "now-soon", "", "invalid --start"),
        ("", "later", "", "invalid --start"),
        ("", "24:00", "", "invalid --start"),
        ("", "9" * 20, "", "invalid --start"),
        ("", "", "2026-13-01", "invalid --end"),
        ("", "", "0", "empty"),
        ("", "20", "10", "empty"),
        ("", "0001-01-01T00:00:00+23:00", "", "invalid --start"),
    ],
)
def test_time_range_rejects_malformed(since: str, start: str, end: str, complaint: str) -> None:
    with pytest.raises(InvalidOption, match=complaint):
        time_range(since, start, end, NOW_NS)


@pytest.mark.parametrize(("text", "seconds"), [("", None), ("15s", 15), ("1ms", 1), ("2m", 120)])
def test_step_seconds_reads_durations(text: str, seconds: int | None) -> None:
    assert step_seconds(text) == seconds
