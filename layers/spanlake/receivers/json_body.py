"""Lists of spans in JSON, and what the members of spans may be."""

import json
import re
from collections.abc import Callable
from math import isnan
from typing import Any, TypeVar

from spanlake.receivers.json_parser import parse

Span = TypeVar("Span")

_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_MOST = (1 << 63) - 1


def spans(body: bytes, read: Callable[[dict[str, Any]], Span]) -> tuple[list[Span], int]:
    """Read a list of spans; the second result counts the spans that cannot be read.

    ``read`` raises ValueError for a span that cannot be read. Raises ValueError when the body is no list.
    """
    values = parse(body)
    if not isinstance(values, list):
        raise ValueError("it is not a list of spans")
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
    """Read an id in hexadecimal digits, padded with zeros to this many bytes; no bytes for what is not an id.

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
    """The digits of a short id, padded with zeros; nothing when it has too many, or is no id."""
    text = str(value) if type(value) is int else value
    return text.rjust(digits, "0") if isinstance(text, str) and len(text) <= digits else ""


def integer(value: object) -> int:
    """Read a number without its fraction, also one in quotes; nothing is 0. Raises ValueError."""
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
    """Read the number of a port; 0 for what is not one."""
    try:
        number = 0 if value is True else integer(value)
    except ValueError:
        return 0
    return number if 0 < number < 1 << 16 else 0


def text(value: object) -> str:
    """A string as it is, and anything else as JSON has it; nothing is empty."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)


def members(value: object) -> dict[str, Any]:
    """The members of an object; none of anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list; none of anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
