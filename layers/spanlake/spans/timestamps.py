"""Parses points in time: Unix time in any unit, recognized by its magnitude, or RFC 3339."""

import re
from datetime import datetime

SECOND_NS = 1_000_000_000

_NUMBER = re.compile(r"([+-]?)([0-9]{1,19})(?:\.([0-9]{1,9}))?", re.ASCII)
_RFC3339 = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,9})\d*)?([Zz]|[+\- ]\d\d:?\d\d)", re.ASCII
)
# Upper bound of numbers in a unit, and the unit in nanoseconds. Seconds reach to the year 5138; the other units begin
# in 1973.
_UNITS = ((10**11, SECOND_NS), (10**14, 1_000_000), (10**17, 1000), (10**19, 1))


def parse_time(text: str) -> int | None:
    """Parse a time to Unix nanoseconds, not bounded; None for any other text."""
    return unix_time(text) if _NUMBER.fullmatch(text) else _rfc3339(text)


def unix_time(text: str) -> int | None:
    """Parse a number of s, ms, us or ns to Unix nanoseconds; None for any other text."""
    found = _NUMBER.fullmatch(text)
    if found is None:
        return None
    sign, whole, fraction = found.groups(default="")
    unit = next(unit for size, unit in _UNITS if int(whole) < size)
    value = int(whole) * unit + int(fraction.ljust(9, "0")) * unit // SECOND_NS
    return -value if sign == "-" else value


def _rfc3339(text: str) -> int | None:
    found = _RFC3339.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups(default="")
    try:
        # A plus sign that is not escaped in a URL arrives as a blank.
        moment = datetime.fromisoformat(f"{day}T{clock}{zone.upper().replace(' ', '+')}")
    except ValueError:
        return None
    return int(moment.timestamp()) * SECOND_NS + int(fraction.ljust(9, "0"))
