"""Origins of web pages that may ask from browsers."""

import re

from spanlake.settings.kinds import Kind
from spanlake.settings.units import InvalidSetting

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


ORIGINS = Kind("ORIGINS", parse_origins)
