"""String literals, with the escapes of Go."""

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
    raise ValueError(f"`\\{unknown}` is not a valid escape")


def _unknown(escape: re.Match[str]) -> bytes:
    raise ValueError(f"`{escape.group()}` is out of range")
