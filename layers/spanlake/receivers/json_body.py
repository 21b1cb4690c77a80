"""JSON of clients: parses it tolerantly, reads the lists of spans in it and what their members may be."""

import json
import re
from collections.abc import Callable
from math import isnan
from typing import Any, TypeVar

Span = TypeVar("Span")

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_WHITE_SPACE = b" \t\r\n"
_FEW = 1024
_SMALLEST_VALUE, _SMALLEST_CONTAINER = 6, 20
"""Bytes that values, and objects and lists, have on average, at the least: parsed, even empty ones take over sixty."""
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LONGEST_INTEGER = 40
_NUMBER = re.compile(r"[+-]?(\d{1,40}(\.\d{0,40})?|\.\d{1,40})([eE][+-]?\d{1,4})?", re.ASCII)
_MOST = (1 << 63) - 1
_REPLACEMENT = "\ufffd"


def is_json(body: bytes) -> bool:
    """True for a body that begins as a JSON list or object, behind a byte order mark and white space."""
    return body.removeprefix(_BYTE_ORDER_MARK)[:4096].lstrip(_WHITE_SPACE)[:1] in (b"[", b"{")


def parse(body: bytes) -> Any:
    """Parse JSON. Raises ValueError.

    Bytes that are not UTF-8 and surrogates without their other half become U+FFFD. A byte order mark in front, control
    characters in strings and NaN are accepted. An integer of more than 40 digits becomes a float. Values may nest some
    900 levels deep.
    """
    from pydantic_core import from_json  # only who takes JSON needs it

    body = body.removeprefix(_BYTE_ORDER_MARK)
    try:
        return from_json(body)
    except ValueError:
        return parse_text(body.decode(errors="replace"))


def parse_text(text: str) -> Any:
    """Parse JSON that is text already, as ``parse`` does. Raises ValueError."""
    try:
        found = json.loads(text, strict=False, parse_int=_integer)
        if _SURROGATE.search(text) is None:
            return found
        escaped = json.dumps(found, ensure_ascii=False).encode("utf-16-le", "surrogatepass")
        return json.loads(escaped.decode("utf-16-le", "replace"), parse_int=_integer)
    except RecursionError as error:
        raise ValueError("values nest too deep") from error
    except ValueError as error:
        raise ValueError(f"the body is not JSON: {error}") from error


def _integer(digits: str) -> int | float:
    """Python refuses integers of thousands of digits, whatever is to become of them."""
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def spans(body: bytes, read: Callable[[dict[str, Any]], Span]) -> tuple[list[Span], int]:
    """Read a list of spans; the second result counts the spans that cannot be read.

    ``read`` raises ValueError for a span that cannot be read. Raises ValueError when the body is no list.
    """
    values = _values(body)
    found: list[Span] = []
    for value in values:
        if type(value) is not dict:
            continue
        try:
            found.append(read(value))
        except ValueError:
            continue
    return found, len(values) - len(found)


def _values(body: bytes) -> list[Any]:
    if body.count(b",") > _FEW + len(body) // _SMALLEST_VALUE:
        raise ValueError("most of its values are empty")
    if body.count(b"{") + body.count(b"[") > _FEW + len(body) // _SMALLEST_CONTAINER:
        raise ValueError("most of its objects are empty")
    found = parse(body)
    if not isinstance(found, list):
        raise ValueError("it is not a list of spans")
    return found


def id_(value: object, length: int) -> bytes:
    """Read an id in hexadecimal digits, padded with zeros to this many bytes; no bytes for what is not an id.

    A number counts by its decimal digits, as in Zipkin's own server.
    """
    if type(value) is int:
        value = _shown(value)
    if not isinstance(value, str) or not 0 < len(value) <= 2 * length:
        return b""
    try:
        found = bytes.fromhex(value if len(value) == 2 * length else value.rjust(2 * length, "0"))
    except ValueError:
        return b""
    return found if len(found) == length else b""


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
    return "" if value is None else _shown(value)


def _shown(value: object) -> str:
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):  # thousands of digits, or of levels
        return _REPLACEMENT


def members(value: object) -> dict[str, Any]:
    """The members of an object; none of anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object) -> list[dict[str, Any]]:
    """The objects in a list; none of anything else."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
