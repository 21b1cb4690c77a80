"""A JSON answer, whose members are checked to have the expected types.

Defaults are those of protobuf's JSON form, which leaves out empty values and zeros and writes 64-bit integers as text.
"""

import json
from collections.abc import Mapping

from spanlake.cli.errors import MalformedAnswer
from spanlake.cli.printable import printable

Object = Mapping[str, object]

MAX_UINT64 = 2**64 - 1


def parse(body: bytes) -> Object:
    """Parse an answer to an object; raises MalformedAnswer."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        begin = printable(body[:60].decode("utf-8", "replace"))
        raise MalformedAnswer(f"the answer is not JSON, is this a server of the Tempo API? It begins {begin}") from None
    return as_object(answer, "the answer")


def objects(parent: Object, key: str) -> list[Object]:
    """Return the list of objects under a key."""
    value = parent.get(key)
    if value is None:
        return []
    if not isinstance(value, list):
        raise _malformed(f"{key} is not a list")
    return [as_object(item, key) for item in value]


def as_object(value: object, what: str) -> Object:
    """Return the value if it is an object; raises MalformedAnswer."""
    if not isinstance(value, dict):
        raise _malformed(f"{what} is not an object")
    return value


def text(parent: Object, key: str) -> str:
    """Return the text under a key."""
    value = parent.get(key, "")
    if not isinstance(value, str):
        raise _malformed(f"{key} is not text")
    return value


def whole(parent: Object, key: str) -> int:
    """Return the integer under a key, from 0 to the maximum of 64 bits."""
    value = parent.get(key, 0)
    try:
        number = int(value) if isinstance(value, int | str) else -1
    except ValueError:
        number = -1
    if not 0 <= number <= MAX_UINT64:
        raise _malformed(f"{key} is not a number of 64 bits")
    return number


def number(parent: Object, key: str) -> float:
    """Return the number under a key, which may be NaN or infinite."""
    value = parent.get(key, 0.0)
    try:
        return float(value) if isinstance(value, int | float | str) else _not_a_number(key)
    except (ValueError, OverflowError):
        return _not_a_number(key)


def _not_a_number(key: str) -> float:
    raise _malformed(f"{key} is not a number")


def _malformed(reason: str) -> MalformedAnswer:
    return MalformedAnswer(f"the answer is not one of the Tempo API: {reason}")
