"""Links that the web page makes of attributes and traces, in the format of Jaeger's ``linkPatterns``.

The setting is the name of a file with JSON, or the JSON itself: a list of patterns, or Jaeger's configuration of its UI
with the list in ``linkPatterns``. Templates name attributes in ``#{…}``, with Jaeger's functions behind bars, as in
``#{startTime | add -60000000 | epoch_micros_to_date_iso}``.
"""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from spanlake.settings.kinds import Kind
from spanlake.settings.units import InvalidSetting

TRACE: Final = "trace"
_SCOPES = {"tags": "span", "process": "resource", "logs": "event", "traces": TRACE}
_SCOPES |= {scope: scope for scope in _SCOPES.values()}
_FIELDS = {"type", "key", "url", "text"}
_MOST_BYTES, _MOST_PATTERNS, _MOST_CHARACTERS = 1 << 20, 200, 2048
_START = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?=[/?#]|$)")  # the host is never a sender's to choose
_TEMPLATE = re.compile(r"#\{([^{}]*)\}")
_FUNCTION = re.compile(r"epoch_micros_to_date_iso|add -?\d{1,15}|pad_start \d{1,3} \S")


@dataclass(frozen=True, slots=True)
class LinkPattern:
    """A link to show at attributes of a scope, empty for any, with one of the keys; or at traces."""

    scope: str
    keys: tuple[str, ...]
    url: str
    text: str


class PageLinks(tuple[LinkPattern, ...]):
    """The patterns of a page."""

    __slots__ = ()

    def shown(self) -> list[dict[str, Any]]:
        """Return the patterns as objects of JSON."""
        return [asdict(pattern) for pattern in self]


def parse_page_links(text: str) -> PageLinks:
    """Read the patterns of a file, or of a text that begins with a bracket. Raises InvalidSetting."""
    if not text.strip():
        return PageLinks()
    content = text if text.lstrip()[0] in "[{" else _content(Path(text))
    try:
        given = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InvalidSetting(f"the links of the page are not JSON: {error}") from None
    patterns = given.get("linkPatterns") if isinstance(given, dict) else given
    if not isinstance(patterns, list) or len(patterns) > _MOST_PATTERNS:
        raise InvalidSetting(f"the links of the page are not a list of at most {_MOST_PATTERNS} objects")
    return PageLinks(_numbered(number, pattern) for number, pattern in enumerate(patterns, 1))


def _content(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise InvalidSetting(f"the links of the page, {path}, cannot be read: {error.strerror or error}") from None
    if len(content) > _MOST_BYTES:
        raise InvalidSetting(f"the links of the page, {path}, have more than {_MOST_BYTES} bytes")
    return content.decode("utf-8", "replace")


def _numbered(number: int, given: object) -> LinkPattern:
    try:
        return _pattern(given)
    except InvalidSetting as error:
        raise InvalidSetting(f"link {number} of the page: {error}") from None


def _pattern(given: object) -> LinkPattern:
    if not isinstance(given, dict):
        raise InvalidSetting("it is not an object with key, url and text")
    if unknown := sorted(set(given) - _FIELDS):
        raise InvalidSetting(f"{unknown[0][:80]!r} is unknown: the fields are {', '.join(sorted(_FIELDS))}")
    scope = _scope(given.get("type", ""))
    url = _text(given, "url")
    if not _START.match(url):
        raise InvalidSetting("url does not begin with http:// or https:// and a host without a template")
    return LinkPattern(scope, _keys(given.get("key"), scope), _checked(url), _checked(_text(given, "text")))


def _scope(given: object) -> str:
    if given == "":
        return ""
    if not isinstance(given, str) or given not in _SCOPES:
        raise InvalidSetting(f"type is not one of {', '.join(_SCOPES)}")
    return _SCOPES[given]


def _keys(given: object, scope: str) -> tuple[str, ...]:
    if scope == TRACE:
        return ()
    keys = [given] if isinstance(given, str) else given
    if not isinstance(keys, list) or not keys or not all(isinstance(key, str) and key for key in keys):
        raise InvalidSetting("key is neither the name of an attribute nor a list of names")
    return tuple(keys)


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= _MOST_CHARACTERS:
        raise InvalidSetting(f"{name} is not a text of at most {_MOST_CHARACTERS} characters")
    return value


def _checked(template: str) -> str:
    for expression in _TEMPLATE.findall(template):
        name, *functions = (part.strip() for part in expression.split("|"))
        if not name:
            raise InvalidSetting("#{} names no attribute")
        for function in functions:
            if not _FUNCTION.fullmatch(function):
                raise InvalidSetting(
                    f"{function[:80]!r} is no function: write add N, pad_start N C or epoch_micros_to_date_iso"
                )
    return template


PAGE_LINKS = Kind("FILE|JSON", parse_page_links)
