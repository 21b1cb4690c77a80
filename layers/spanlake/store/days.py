"""UTC days, the unit in which blocks and catalogs are kept."""

from datetime import date, timedelta

DAY_NS = 86_400 * 10**9
MAX_NS = 2**63 - 1  # latest time an int64 of nanoseconds can name, in the year 2262
MIN_NS = -(2**63)

_EPOCH = date(1970, 1, 1)


def clamp_ns(ns: int) -> int:
    """Bring any time in nanoseconds into the range of an int64."""
    return max(MIN_NS, min(ns, MAX_NS))


def utc_day(ns: int) -> date:
    """Return the UTC day of a time in nanoseconds since 1970, of the nearest time an int64 can name if it cannot."""
    return _EPOCH + timedelta(days=clamp_ns(ns) // DAY_NS)


def day_range(day: date) -> tuple[int, int]:
    """Return the first and the last nanosecond of a UTC day, since 1970."""
    start = (day - _EPOCH) // timedelta(1) * DAY_NS
    return clamp_ns(start), clamp_ns(start + DAY_NS - 1)
