"""JSON bodies are parsed: quickly when they are as they should be, and with repairs when they are not."""

import json
import re
from json import JSONDecodeError

_FEW = 1024
_SMALLEST_VALUE, _SMALLEST_CONTAINER = 6, 8
"""Bytes that values, and objects and lists, have on average, at the least: parsed, even empty ones take over sixty."""
_MOST_LEVELS = 190
"""Levels of objects and lists that are parsed; the quick parser follows 200."""
_STRING = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'  # also one without an end: so it takes one pass, whatever the text is
_STRINGS = re.compile(_STRING.encode(), re.DOTALL)
_STRING_OR_BRACKET = re.compile(_STRING + r"|[\[\]{}]", re.DOTALL)
_SURROGATES = re.compile("[\ud800-\udfff]")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


def parse(body: bytes) -> object:
    """Parse a body, memory in proportion to its size; raises ValueError when it is not JSON.

    Bytes that are not UTF-8 and halves of surrogate pairs become U+FFFD, and what nests deeper than 190 levels becomes
    ``null``. NaN, infinities, control characters in strings and a byte order mark are read. Of members with the same
    name the last counts.
    """
    _refuse_mostly_empty(body)
    from pydantic_core import from_json  # only who takes JSON needs it

    try:
        return from_json(body)
    except ValueError:
        return _parse_with_repairs(body)


def _refuse_mostly_empty(body: bytes) -> None:
    if _is_mostly_empty(body) and _is_mostly_empty(_STRINGS.sub(b"", body), len(body)):
        raise ValueError("most of its values or objects are empty")


def _is_mostly_empty(text: bytes, size: int | None = None) -> bool:
    size = len(text) if size is None else size
    has_small_values = text.count(b",") > _FEW + size // _SMALLEST_VALUE
    return has_small_values or text.count(b"{") + text.count(b"[") > _FEW + size // _SMALLEST_CONTAINER


def _parse_with_repairs(body: bytes) -> object:
    text = _cut_to_depth(body.decode(json.detect_encoding(body), "replace"))
    try:
        found = json.loads(text, parse_int=_integer, strict=False)
    except (JSONDecodeError, RecursionError) as error:
        raise ValueError(f"the body is not JSON: {error}") from error
    return _with_replaced_surrogates(found) if _SURROGATE_ESCAPE.search(text) else found


def _cut_to_depth(text: str) -> str:
    """The text with ``null`` for every object and list that nests too deep."""
    pieces, depth, end = [], 0, 0
    for match in _STRING_OR_BRACKET.finditer(text):
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
    """Python converts no more than 4,300 digits."""
    return int(digits) if len(digits) <= 4300 else float(digits)


def _with_replaced_surrogates(value: object) -> object:
    if isinstance(value, str):
        return _SURROGATES.sub("\ufffd", value)
    if isinstance(value, list):
        return [_with_replaced_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_SURROGATES.sub("\ufffd", name): _with_replaced_surrogates(item) for name, item in value.items()}
    return value
