"""Attributes as text."""

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from rich.text import Text

from spanlake.cli.client.values import Attributes, Value
from spanlake.cli.printable import printable

_LONGEST = 300  # characters of a key or value; --json has them whole
_MOST = 100  # elements of a list
_PLAIN = re.compile(r"[^\s\"'`,\[\]{}]+")
_OTHER_TYPE = re.compile(r"[+-]?[0-9.][0-9.eE+-]*|true|false|nil|nan|[+-]?inf")


def shown(value: Value) -> str:
    """Format a value, printable and cut; text is quoted where it looks like another type, or like several values."""
    return cut(_shown(value))


def label(value: Value) -> str:
    """Format a value without quotes, printable and cut."""
    return cut(printable(value[: _LONGEST + 1]) if isinstance(value, str) else _shown(value))


def attributes(items: Attributes) -> list[Text]:
    """Format each attribute as ``key=value``."""
    return [Text.assemble((f"{label(key)}=", "dim"), shown(value)) for key, value in items]


def cut(text: str, longest: int = _LONGEST) -> str:
    """Return the text, or its beginning where it is too long."""
    return text if len(text) <= longest else f"{text[:longest]}…"


def _shown(value: Value) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case str():
            return _string(value[: _LONGEST + 1])
        case bytes():
            return f"0x{value[:_LONGEST].hex()}"
        case Mapping():
            return f"{{{_listed(f'{label(key)}: {shown(item)}' for key, item in value.items())}}}"
        case _:
            return f"[{_listed(map(shown, value))}]"


def _string(text: str) -> str:
    if _PLAIN.fullmatch(text) and not _OTHER_TYPE.fullmatch(text):
        return printable(text)
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'


def _listed(items: Iterable[str]) -> str:
    some = list(islice(items, _MOST + 1))
    return ", ".join([*some[:_MOST], "…"] if len(some) > _MOST else some)
