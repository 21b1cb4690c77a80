"""Parses JSON bodies: quickly when they are valid, and with repairs when they are not."""

import json
import re
from json import JSONDecodeError

_FEW = 1024
_SMALLEST_VALUE, _SMALLEST_CONTAINER = 6, 8
"""Minimum average size in bytes of values, and of objects and lists: even empty ones take over sixty when parsed."""
_MOST_CONTAINERS, _MOST_VALUES = 1_000_000, 4_000_000
"""Limits on objects and lists, and on values: a small object takes 200 bytes when parsed, a value 50."""
_MOST_LEVELS = 190
"""Limit on nesting levels; the quick parser allows 200."""
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'  # also an unterminated string: so one pass suffices for any text
_STRINGS = re.compile(_STRING.encode(), re.DOTALL)
_STRING_OR_BRACKET = re.compile(_STRING + r"|[\[\]{}]", re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """Parse a body, with memory in proportion to its size; raises ValueError when it is not JSON.

    Invalid UTF-8 and unpaired surrogates become U+FFFD, and values nested deeper than 190 levels become ``null``. NaN,
    infinities, control characters in strings and a byte order mark are accepted. Of members with one name the last
    counts.
    """
    _refuse_too_much(body)
    from pydantic_core import from_json  # imported late: only receivers of JSON need it

    try:
        return from_json(body, cache_strings="keys")  # values differ mostly: looking them up doubles the time
    except ValueError:
        return _parse_with_repairs(body)


def _refuse_too_much(body: bytes) -> None:
    most_containers = min(_FEW + len(body) // _SMALLEST_CONTAINER, _MOST_CONTAINERS)
    most_values = min(_FEW + len(body) // _SMALLEST_VALUE, _MOST_VALUES)
    if _containers(body) <= most_containers and body.count(b",") <= most_values:
        return
    containers = values = end = 0
    for match in _STRINGS.finditer(body):  # one by one: a copy without strings would take thirty times the memory
        between = body[end : match.start()]
        containers += _containers(between)
        values += between.count(b",")
        end = match.end()
        if containers > most_containers or values > most_values:
            break
    else:
        containers += _containers(body[end:])
        values += body.count(b",", end)
    if containers > _MOST_CONTAINERS or values > _MOST_VALUES:
        limits = f"{_MOST_CONTAINERS} objects or {_MOST_VALUES} values"
        raise ValueError(f"it has more than {limits}: send fewer spans at a time")
    if containers > most_containers or values > most_values:
        raise ValueError("most of its values or objects are empty")


def _containers(text: bytes) -> int:
    return text.count(b"{") + text.count(b"[")


def _parse_with_repairs(body: bytes) -> object:
    text = _cut_to_depth(body.decode(json.detect_encoding(body), "replace"))
    try:
        found = json.loads(text, parse_int=_integer, strict=False)
    except (JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    return _with_replaced_surrogates(found) if _SURROGATE_ESCAPE.search(text) else found


def _cut_to_depth(text: str) -> str:
    """Return the text with ``null`` in place of objects and lists nested too deep."""
    pieces, depth, end = [], 0, 0
    if text.count("{") + text.count("[") <= _MOST_LEVELS:
        return text
    for number, match in enumerate(_STRING_OR_BRACKET.finditer(text)):
        if number > _MOST_VALUES:
            raise ValueError("it has too many values, and is not JSON")
        bracket = match[0]
        if bracket in "[{":
            if depth == _MOST_LEVELS:
                pieces += [text[end : match.start()], "null"]
            depth += 1
        elif bracket in "]}":
            depth -= 1
            if depth == _MOST_LEVELS:
                end = match.end()
    return "".join([*pieces, text[end:]]) if pieces and depth < _MOST_LEVELS else text


def _integer(digits: str) -> int | float:
    """Convert digits, as a float if there are more than the 4,300 that Python converts."""
    return int(digits) if len(digits) <= 4300 else float(digits)


def _with_replaced_surrogates(value: object) -> object:
    if isinstance(value, str):
        return _without_surrogates(value)
    if isinstance(value, list):
        return [_with_replaced_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(name): _with_replaced_surrogates(item) for name, item in value.items()}
    return value


def _without_surrogates(text: str) -> str:
    """Replace surrogates, by way of UTF-16: replacing one by one takes a hundred bytes for each."""
    if not _SURROGATES.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
