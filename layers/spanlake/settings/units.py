"""Parsing of ages, sizes and shares in settings."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import re
from datetime import timedelta

MIB = 1 << 20

_AGE = re.compile(r"(\d{1,9})\s*(s|m|h|d|w)", re.ASCII)
_AGE_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,6})?)\s*(?:([kmgtp])(i?))?b?", re.ASCII | re.IGNORECASE)
_PREFIXES = " kmgtp"  # each a further power


class InvalidSetting(ValueError):
    """A setting that cannot be used, and what would be."""


def parse_age(text: str) -> timedelta | None:
    """Read an age such as ``14d`` or ``36h``; ``0`` is None, no limit of age. Raises InvalidSetting."""
    if text.strip() == "0":
        return None
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise InvalidSetting(f"{text!r} is not an age: write a whole number and s, m, h, d or w, as in 14d, or 0")
    try:
        age = timedelta(**{_AGE_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise InvalidSetting(f"{text!r} is longer than spans can be old") from None
    return age or None


def parse_size(text: str) -> int | None:
    """Read a number of bytes such as ``50GB`` or ``1.5GiB``; ``0`` is None, no limit. Raises InvalidSetting.

    Units as in IEC 80000-13: k, M, G, T, P are powers of 1000, with an i powers of 1024.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise InvalidSetting(f"{text!r} is not a size: write a number of bytes with or without a unit, as in 50GB")
    number, prefix, binary = match.groups(default="")
    power = _PREFIXES.index(prefix.lower() or " ")
    unit = (1024 if binary else 1000) ** power
    return (int(number) * unit if number.isdecimal() else _fraction_of(unit, number)) or None


def _fraction_of(unit: int, number: str) -> int:
    from decimal import Decimal  # seldom needed: 1 ms of a function's start

    return int(Decimal(number) * unit)


def parse_share(text: str) -> float:
    """Read a share such as ``0.05`` or ``5%``; raises InvalidSetting."""
    number, percent, _ = text.strip().partition("%")
    try:
        share = float(number) / (100 if percent else 1)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise InvalidSetting(f"{text!r} is not a share: write a number from 0 to 1, or a percentage as in 5%")
    return share


def parse_limit(text: str) -> int:
    """Read a size that is at least one byte; raises InvalidSetting."""
    size = parse_size(text)
    if size is None:
        raise InvalidSetting(f"{text!r} allows nothing: write a size of one byte or more")
    return size
