"""Regular expressions of RE2, which TraceQL has, in the words of Java, which Athena has.

Both share most of their syntax, but not what the short classes hold, nor how classes nest. So a pattern is read once,
and written so that it means the same there; what has no counterpart is refused. A pattern is valid RE2.
"""

import re
from collections.abc import Iterator

from spanlake.query.engine.base import NotSupportedByEngine

_DIGIT, _WORD, _SPACE = "0-9", "0-9A-Za-z_", r"\t\n\f\r "
_SHORT = {"d": _DIGIT, "w": _WORD, "s": _SPACE}
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x{0}-\x{7F}",
    "blank": r"\t ",
    "cntrl": r"\x{0}-\x{1F}\x{7F}",
    "digit": _DIGIT,
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\x{B}\f\r ",
    "upper": "A-Z",
    "word": _WORD,
    "xdigit": "0-9A-Fa-f",
}
_CONTROL = {"a": r"\x{7}", "f": r"\f", "n": r"\n", "r": r"\r", "t": r"\t", "v": r"\x{B}"}
_EDGES = {"^": r"\A", "$": r"\z"}  # of lines there they are with (?m) only, but the last line's end is one always
_SPECIAL = set("\\^$.|?*+()[]{}&-~#")
_REPEAT = re.compile(r"\{\d+(?:,\d*)?\}")
_GROUP = re.compile(r"\(\?(?:P?<\w+>|([ims]*)(?:-([ims]+))?([:)]))")
_HEX = re.compile(r"x(?:([0-9A-Fa-f]{2})|\{([0-9A-Fa-f]{1,6})\})")
_OCTAL = re.compile(r"[0-7]{3}|0[0-7]{0,2}")
_CLASS = re.compile(r"\[:(\^?)(\w+):\]")


def anchored(pattern: str) -> str:
    """Return the pattern that matches a whole text as this one does, the dot matching line ends too.

    Raises NotSupportedByEngine.
    """
    return rf"\A(?s:{''.join(_Reader(pattern).all())})\z"


class _Reader:
    """Reads a pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def all(self) -> Iterator[str]:
        """Yield the pattern's parts, rewritten."""
        while self._at < len(self._text):
            yield self._part()

    def _take(self, found: "re.Match[str]") -> str:
        self._at = found.end()
        return found[0]

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _part(self) -> str:
        sign = self._next()
        if sign == "\\":
            return self._escape()
        if sign == "[":
            return self._class()
        if sign == "(":
            return self._group()
        if sign == "{":
            repeat = _REPEAT.match(self._text, self._at - 1)
            return self._take(repeat) if repeat else r"\{"
        if sign in _EDGES:
            return _EDGES[sign]
        return rf"\{sign}" if sign in "]}" else sign

    def _group(self) -> str:
        if not self._text.startswith("?", self._at):
            return "(?:"
        found = _GROUP.match(self._text, self._at - 1)
        if found is None:
            raise _refused(self._text[self._at - 1 : self._at + 3])
        self._take(found)
        on, off, end = found.groups()
        if end is None:
            return "(?:"
        if "m" in on:
            raise _refused("(?m)")
        return f"(?{on}{'-' + off if off else ''}{end}" if on or off else "(?:"

    def _escape(self) -> str:
        """Return an escape outside of a class."""
        sign = self._text[self._at]
        if sign.lower() in _SHORT:
            self._at += 1
            return f"[{'^' if sign.isupper() else ''}{_SHORT[sign.lower()]}]"
        if sign in "Az":
            self._at += 1
            return rf"\{sign}"
        if sign == "Q":
            return self._quoted()
        if sign in "bB":
            raise _refused(rf"\{sign}")
        return self._character()

    def _quoted(self) -> str:
        end = self._text.find(r"\E", self._at)
        quoted = self._text[self._at + 1 : end if end >= 0 else None]
        self._at = end + 2 if end >= 0 else len(self._text)
        return "".join(map(_literal, quoted))

    def _character(self) -> str:
        """Return a single character behind a backslash, also in a class."""
        for form, base in ((_HEX, 16), (_OCTAL, 8)):
            found = form.match(self._text, self._at)
            if found:
                self._take(found)
                digits = next(filter(None, found.groups()), found[0])
                return rf"\x{{{int(digits, base):X}}}"
        sign = self._next()
        if sign in _CONTROL:
            return _CONTROL[sign]
        if sign.isalnum():  # \p, \C and what is to come
            raise _refused(rf"\{sign}")
        return _literal(sign)

    def _class(self) -> str:
        start = "[^" if self._text.startswith("^", self._at) else "["
        self._at += len(start) - 1
        items = [self._item()]
        while not self._text.startswith("]", self._at):
            items.append(self._item())
        self._at += 1
        return f"{start}{''.join(items)}]"

    def _item(self) -> str:
        """Return a character, a range or a class in a class."""
        named = _CLASS.match(self._text, self._at)
        if named:
            self._take(named)
            return _in_class(_POSIX[named[2]], denied=bool(named[1]))
        if self._text[self._at] == "\\" and self._text[self._at + 1].lower() in _SHORT:
            sign = self._text[self._at + 1]
            self._at += 2
            return _in_class(_SHORT[sign.lower()], denied=sign.isupper())
        low = self._single()
        if self._text.startswith("-", self._at) and not self._text.startswith("-]", self._at):
            self._at += 1
            return f"{low}-{self._single()}"
        return low

    def _single(self) -> str:
        sign = self._next()
        return self._character() if sign == "\\" else _literal(sign)


def _in_class(items: str, *, denied: bool) -> str:
    return f"[^{items}]" if denied else items


def _literal(sign: str) -> str:
    return rf"\{sign}" if sign in _SPECIAL else sign


def _refused(what: str) -> NotSupportedByEngine:
    return NotSupportedByEngine(f"its regular expressions do not have {what!r}")
