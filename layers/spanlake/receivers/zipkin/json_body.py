"""Lists of spans in JSON, and conversion of their members."""

import json
import re
from collections.abc import Callable
from math import isnan
from typing import Any, TypeVar

from spanlake.receivers.json_parser import parse
from spanlake.receivers.translation import MOST_SPANS

Span = TypeVar("Span")

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_MOST = (1 << 63) - 1


def spans(body: bytes, read: Callable[[dict[str, Any]], Span]) -> tuple[list[Span], int]:
    """Read a list of spans; the second result counts spans that cannot be read.

    ``read`` raises ValueError for a span that cannot be read. Raises ValueError when the body is not a list.
    """
    values = parse(body)
    if not isinstance(values, list):
        raise ValueError("it is not a list of spans")
    if len(values) > MOST_SPANS:
        raise ValueError(f"it has more than {MOST_SPANS} spans: send fewer at a time")
    found: list[Span] = []
    for value in values:
        if type(value) is not dict:
            continue
        try:
            found.append(read(value))
        except ValueError:
            continue
    return found, len(values) - len(found)


def id_(value: object, length: int) -> bytes:
    """Read an id in hexadecimal digits, padded with zeros to ``length`` bytes; empty for anything else.

    A number counts by its decimal digits, as in Zipkin's own server.
    """
    if not value:
        return b""
    try:
        found = bytes.fromhex(value if type(value) is str and len(value) == 2 * length else _padded(value, 2 * length))
    except ValueError:
        return b""
    return found if len(found) == length else b""


def _padded(value: object, digits: int) -> str:
    """Return the digits of an id, padded with zeros; empty when there are too many, or the value is not an id."""
    text = str(value) if type(value) is int else value
    return text.rjust(digits, "0") if isinstance(text, str) and len(text) <= digits else ""


def integer(value: object) -> int:
    """Read a number without its fraction, also in quotes; a missing value is 0. Raises ValueError."""
    if type(value) is int:
        return value
    if not value:
        return 0
    if isinstance(value, str):
        value = _number(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value):
        raise ValueError("it is not a number")
    return int(max(min(value, _MOST), -_MOST))


def _number(text: str) -> int | float:
    if _NUMBER.fullmatch(text) is None:
        raise ValueError("it is not a number")
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def port(value: object) -> int:
    """Read a port number; 0 for anything else."""
    try:
        number = 0 if value is True else integer(value)
    except ValueError:
        return 0
    return number if 0 < number < 1 << 16 else 0


def text(value: object) -> str:
    """Return a string unchanged, other values as JSON, and a missing value as an empty string."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def members(value: object) -> dict[str, Any]:
    """Return the members of an object; none for other values."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """Return the objects in a list; none for other values."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
