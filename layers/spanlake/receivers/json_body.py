"""Bodies in JSON that are lists of spans, and what their members may be."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

Span = TypeVar("Span")

_FEW = 1024
_SMALLEST_VALUE, _SMALLEST_CONTAINER = 6, 20
"""Bytes that values, and objects and lists, have on average, at the least: parsed, even empty ones take over sixty."""
_INT64 = range(-(1 << 63), 1 << 63)
_SHAPES: Mapping[str, type[dict[str, Any]] | type[list[Any]]] = {
    "tags": dict,
    "localEndpoint": dict,
    "remoteEndpoint": dict,
    "annotations": list,
    "binaryAnnotations": list,
}
_NAMES = {dict: "an object", list: "a list"}


def spans(body: bytes, read: Callable[[dict[str, Any]], Span]) -> list[Span]:
    """Read a list of spans, each by a function that takes its members for what they should be. Raises ValueError."""
    found = objects(body)
    try:
        return [read(span) for span in found]
    except (ValueError, TypeError, AttributeError):
        raise ValueError(_fault(found, read)) from None


def _fault(found: Sequence[dict[str, Any]], read: Callable[[dict[str, Any]], Span]) -> str:
    """Which of the spans can not be read, and why."""
    for number, span in enumerate(found, 1):
        try:
            read(span)
        except ValueError as error:
            return f"span {number}: {error}"
        except (TypeError, AttributeError):
            return f"span {number}: {_misshapen(span)}"
    return "it can not be read"


def _misshapen(span: Mapping[str, Any]) -> str:
    for member, shape in _SHAPES.items():
        if not isinstance(span.get(member) or shape(), shape):
            return f"{member} is not {_NAMES[shape]}"
    return "an annotation or an endpoint is not an object"


def objects(body: bytes) -> list[dict[str, Any]]:
    """Read a list of objects. Raises ValueError."""
    if body.count(b",") > _FEW + len(body) // _SMALLEST_VALUE:
        raise ValueError("most of its values are empty")
    if body.count(b"{") + body.count(b"[") > _FEW + len(body) // _SMALLEST_CONTAINER:
        raise ValueError("most of its objects are empty")
    from pydantic_core import from_json  # only who takes JSON needs it

    found = from_json(body, allow_inf_nan=False)
    if not isinstance(found, list):
        raise ValueError("it is not a list of spans")
    if not all(isinstance(each, dict) for each in found):
        raise ValueError("not all of its spans are objects")
    return found


def id_(text: object, length: int) -> bytes:
    """An id in hexadecimal digits, padded with zeros to this many bytes; none, or an empty one, is no bytes.

    Raises ValueError.
    """
    if not text:
        return b""
    if not isinstance(text, str) or len(text) > 2 * length:
        raise ValueError(f"{str(text)[:40]!r} is no id of at most {2 * length} hexadecimal digits")
    try:
        found = bytes.fromhex(text if len(text) == 2 * length else text.rjust(2 * length, "0"))
    except ValueError:
        found = b""
    if len(found) != length:
        raise ValueError(f"{text!r} is no id of hexadecimal digits")
    return found


def integer(value: object) -> int:
    """A number without a fraction; nothing is 0. Raises ValueError."""
    if not value:
        return 0
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value not in _INT64:
        raise ValueError(f"{str(value)[:40]!r} is not an integer")
    return value


def text(value: object) -> str:
    """A string as it is, and anything else as JSON has it; nothing is empty."""
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value)
