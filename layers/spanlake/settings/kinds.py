"""Kinds of settings: how the text of a value is read, and the values that are allowed."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from spanlake.settings.units import InvalidSetting, parse_age, parse_limit, parse_share, parse_size

_ORIGIN = r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?"
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class Origins(tuple[str, ...]):
    """Origins of web pages, each as browsers write it; ``*`` is any."""

    __slots__ = ()


def parse_origins(text: str) -> Origins:
    """Read origins such as ``https://shop.example,http://localhost:8080``, or ``*`` for any. Raises InvalidSetting."""
    return Origins(_origin(part.strip()) for part in text.split(",") if part.strip())


def _origin(text: str) -> str:
    """Return an origin as browsers write it: in lower case, without a path and without its scheme's usual port."""
    origin = text.lower().removesuffix("/")
    if origin == "*":
        return origin
    match = re.fullmatch(_ORIGIN, origin, re.ASCII)
    if match is None:
        raise InvalidSetting(f"{text[:80]!r} is not an origin: write a scheme and a host, as in https://shop.example")
    return origin.removesuffix(_USUAL_PORTS.get(match[1], " "))


T = TypeVar("T")

_WHOLE = re.compile(r"-?\d+", re.ASCII)
_NUMBER = re.compile(r"-?\d+(\.\d{1,9})?", re.ASCII)
_MOST_DIGITS = 18
_PATH = re.compile(r"(/[A-Za-z0-9$_.+!*'()~-]+)*/?", re.ASCII)
_TABLE = r"[a-z0-9_]+\.[a-z0-9_]+"
_TRUE = {"true", "yes", "on", "1"}
_FALSE = {"false", "no", "off", "0"}


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """A kind of values: ``parse`` reads the text of one and raises InvalidSetting, which says what is allowed."""

    metavar: str
    parse: Callable[[str], T]


def _truth(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise InvalidSetting(f"{text!r} is neither true nor false")
    return word in _TRUE


def _table(text: str) -> str:
    if text and not re.fullmatch(_TABLE, text, re.ASCII):
        raise InvalidSetting(f"{text!r} does not name a table: write database.table")
    return text


def _path(text: str) -> str:
    if not _PATH.fullmatch(text):
        raise InvalidSetting(f"{text!r} is no path: write it such as /spanlake")
    return text.rstrip("/")


def _check_digits(text: str) -> None:
    if (digits := len(text.lstrip("-").partition(".")[0])) > _MOST_DIGITS:
        raise InvalidSetting(f"{text[:40]!r} is too much: it has {digits} digits (limit: {_MOST_DIGITS})")


def _bounded(value: float, text: str, least: float, most: float) -> None:
    if value < least:
        raise InvalidSetting(f"{text!r} is too little: it must be greater than or equal to {least:g}")
    if value > most:
        raise InvalidSetting(f"{text!r} is too much: it must be less than or equal to {most:g}")


def count(least: float = 1, most: float = math.inf, metavar: str = "N") -> Kind[int]:
    """Return the kind of whole numbers from ``least`` to ``most``."""

    def parse(text: str) -> int:
        if not _WHOLE.fullmatch(text.strip()):
            raise InvalidSetting(f"{text!r} is not a whole number, as in 100")
        _check_digits(text.strip())
        value = int(text)
        _bounded(value, text, least, most)
        return value

    return Kind(metavar, parse)


def number(metavar: str, least: float, most: float = math.inf, unit: float = 1) -> Kind[float]:
    """Return the kind of numbers from ``least`` to ``most``, which are multiplied by a unit."""

    def parse(text: str) -> float:
        if not _NUMBER.fullmatch(text.strip()):
            raise InvalidSetting(f"{text!r} is not a number, as in 2.5")
        _check_digits(text.strip())
        value = float(text)
        _bounded(value, text, least, most)
        return value * unit

    return Kind(metavar, parse)


def choice(*words: str) -> Kind[str]:
    """Return the kind of a word of these."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise InvalidSetting(f"{text!r} is unknown: write {', '.join(words[:-1])} or {words[-1]}")
        return word

    return Kind("|".join(words), parse)


def seconds(least: float = 0.1) -> Kind[float]:
    """Return the kind of times in seconds."""
    return number("SECONDS", least)


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())


def _ports(text: str) -> tuple[tuple[str, int], ...]:
    pairs = [part.partition("=") for part in _names(text)]
    for name, _, number in pairs:
        if name.isdigit() and not number:
            raise InvalidSetting(f"{name[:80]!r} names no port: write NAME=PORT, as in tempo={name[:5]}")
        if not name or not number.isascii() or not number.isdigit() or not 0 < int(number) < 1 << 16:
            raise InvalidSetting(f"{name[:80]!r} is not given a port: write NAME=PORT, as in otlp-grpc=5317")
    return tuple((name, int(number)) for name, _, number in pairs)


NAMES = Kind("NAMES", _names)
PORTS = Kind("NAME=PORT", _ports)
TEXT = Kind("TEXT", str)
URL = Kind("URL", str)
ADDRESS = Kind("ADDRESS", str)
DIRECTORY = Kind("DIR", Path)
FILE: Kind[Path | None] = Kind("FILE", lambda text: Path(text) if text else None)
TRUTH = Kind("true|false", _truth)
TABLE = Kind("DATABASE.TABLE", _table)
PATH = Kind("PATH", _path)  # without a slash at its end
OFFSET = count(least=-math.inf)  # its bounds follow from the ports
AGE = Kind("AGE", parse_age)
SIZE = Kind("SIZE", parse_size)  # with 0 for no limit
LIMIT = Kind("SIZE", parse_limit)  # of at least one byte
SHARE = Kind("SHARE", parse_share)
PROBABILITY = number("P", 0, 1)
MILLISECONDS = number("N", 0, unit=0.001)  # read as seconds
ORIGINS = Kind("ORIGINS", parse_origins)
