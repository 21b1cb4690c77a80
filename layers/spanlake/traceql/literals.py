"""String and duration literals."""

import re
from typing import Final

_SIMPLE: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92, '"': 34}
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))", re.DOTALL
)
_CONTROL = re.compile(r'[\x00-\x1f\x7f"\\]')


def unquote(literal: str) -> str:
    """Return the string that a literal in double quotes or backticks stands for.

    Raises ValueError for an escape that Go does not have and for bytes that are not UTF-8.
    """
    body = literal[1:-1]
    if literal[0] == "`":
        return body.replace("\r", "")
    if "\\" not in body:
        return body
    encoded, at = bytearray(), 0
    for escape in _ESCAPE.finditer(body):
        encoded += body[at : escape.start()].encode() + _escaped(escape)
        at = escape.end()
    try:
        return (encoded + body[at:].encode()).decode()
    except UnicodeDecodeError:
        raise ValueError("the escapes of the string are not valid UTF-8") from None


def quote(value: str) -> str:
    """Write a string as a literal: in backticks, as Tempo does, or in double quotes where it cannot be in backticks."""
    if "`" not in value and "\r" not in value:
        return f"`{value}`"
    return '"' + _CONTROL.sub(lambda found: _escape(found.group()), value) + '"'


def _escape(character: str) -> str:
    return f"\\{character}" if character in '"\\' else f"\\x{ord(character):02x}"


def _escaped(escape: re.Match[str]) -> bytes:
    simple, octal, byte, short, long, unknown = escape.groups()
    if simple:
        return bytes([_SIMPLE[simple]])
    if octal or byte:
        number = int(octal, 8) if octal else int(byte, 16)
        return bytes([number]) if number < 256 else _unknown(escape)
    if short or long:
        number = int(short or long, 16)
        return chr(number).encode() if number < 0xD800 or 0xDFFF < number < 0x110000 else _unknown(escape)
    raise ValueError(f"`\\{unknown}` is not a valid escape: a backslash is written `\\\\`, or the string in backticks")


def _unknown(escape: re.Match[str]) -> bytes:
    raise ValueError(f"`{escape.group()}` is out of range")


MAX_NS = 2**63 - 1

_US, _MS, _S = 1_000, 1_000_000, 1_000_000_000
_M, _H = 60 * _S, 3600 * _S
_D = 24 * _H
_UNITS = {
    "ns": 1,
    "us": _US,
    "µs": _US,
    "\u03bcs": _US,
    "ms": _MS,
    "s": _S,
    "m": _M,
    "h": _H,
    "d": _D,
    "w": 7 * _D,
    "y": 365 * _D,
}
"""Nanoseconds of each unit: those of Go and of Prometheus. As in Go, µ may be the sign of micro or the Greek letter."""

_PART = re.compile(rf"([0-9]{{0,20}})(?:\.([0-9]{{0,40}}))?({'|'.join(sorted(_UNITS, key=len, reverse=True))})")


def parse_duration(text: str) -> int | None:
    """Parse ``1h30m``, ``1.5ms``, ``2d`` to nanoseconds; None for any other text, and for values beyond 64 bits.

    Units stand in any order, and any of them may have a fraction.
    """
    position, total = 0, 0
    while match := _PART.match(text, position):
        whole, fraction, unit = match.group(1), match.group(2) or "", _UNITS[match.group(3)]
        if not whole and not fraction:
            return None
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = match.end()
    return total if text and position == len(text) and total <= MAX_NS else None


def format_duration(nanoseconds: int) -> str:
    """Format a duration as Go does: ``1h0m0s``, ``1.5s``, ``250ms``, ``0s``."""
    sign, rest = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if rest == 0:
        return "0s"
    if rest < _S:
        unit = next(unit for unit in ("ms", "µs", "ns") if rest >= _UNITS[unit])
        return f"{sign}{_decimal(rest, _UNITS[unit])}{unit}"
    hours, rest = divmod(rest, _H)
    minutes, rest = divmod(rest, _M)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{lead}{_decimal(rest, _S)}s"


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    digits = str(unit + fraction)[1:].rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
