"""Times, durations and numbers in a form for people."""

from collections.abc import Sequence
from datetime import UTC, datetime
from statistics import fmean

_SHORT = ((1_000, "ns", 1), (1_000_000, "µs", 1_000), (1_000_000_000, "ms", 1_000_000), (60_000_000_000, "s", 10**9))
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
_MOST_WITH_PART = 1000  # days, from which hours are left out
_LONG = ((86_400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s"))


def duration(nanoseconds: int) -> str:
    """Format a duration in at most seven characters: ``532ns``, ``97.3ms``, ``12s``, ``1m30s``, ``2h5m``, ``3d4h``."""
    if nanoseconds < 0:
        return f"-{duration(-nanoseconds)}"
    for limit, unit, size in _SHORT:
        if nanoseconds < limit:
            return f"{_three_digits(nanoseconds / size)}{unit}" if nanoseconds else "0s"
    seconds = nanoseconds // 10**9
    size, unit, small_size, small_unit = next(step for step in _LONG if seconds >= step[0])
    whole, small = seconds // size, seconds % size // small_size
    return f"{whole}{unit}" + (f"{small}{small_unit}" if small and whole < _MOST_WITH_PART else "")


def moment(nanoseconds: int) -> str:
    """Format a time in the local zone, to the millisecond."""
    return f"{_local(nanoseconds):%Y-%m-%d %H:%M:%S}.{nanoseconds // 1_000_000 % 1000:03}"


def zone(nanoseconds: int) -> str:
    """Return the name of the local zone at a time."""
    return f"{_local(nanoseconds):%Z}"


def number(value: float) -> str:
    """Format a number with four significant digits and separated thousands."""
    if abs(value) < 1:
        return f"{value:.4g}"
    if abs(value) >= 1e15:
        return f"{value:.3e}"
    decimals = max(0, 4 - len(f"{abs(value):.0f}"))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text


def size(count: int) -> str:
    """Format a number of bytes in three digits, as ``532 B``, ``97.3 kB``, ``1.2 GB``; units are powers of 1000."""
    value, unit = float(count), 0
    while value >= 999.5 and unit < len(_SIZES) - 1:
        value, unit = value / 1000, unit + 1
    return f"{_three_digits(value)} {_SIZES[unit]}"


def mean(values: Sequence[float]) -> float:
    """Return the mean of finite numbers, at least one."""
    try:
        return fmean(values)
    except OverflowError:
        largest = max(map(abs, values))
        return fmean(value / largest for value in values) * largest


def counted(count: int, what: str) -> str:
    """Format a count with its noun: ``1 span``, ``2 spans``, ``1,951 spans``."""
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"


def _local(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds // 10**9, UTC).astimezone()


def _three_digits(value: float) -> str:
    decimals = 2 if value < 10 else 1 if value < 100 else 0
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if decimals else text
