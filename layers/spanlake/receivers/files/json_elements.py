"""Splits large JSON documents into the traces or resources in them, in order."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from spanlake.receivers.translation import MalformedFile

Read = Callable[[int], bytes]

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:(")(\s*+:)?+)?+|[][{}]', re.DOTALL)
"""A bracket or a string: with the first group when the string is complete, with the second when it is a member's name.
"""
_STEP = 1 << 20
_LISTS = frozenset({(), ("resourceSpans",), ("batches",), ("data",), ("trace", "resourceSpans"), ("trace", "batches")})
_LINE_START, _LINE_END = b'{"resourceSpans":[', b"]}"
"""Start and end of the lines that the Collector writes."""
_DEEPEST = 2
"""Number of levels at which names of members matter."""
_MOST_LEVELS = 1000
"""Limit on levels of objects and lists around the elements of lists."""


class Element(NamedTuple):
    """A JSON value of a document, or several separated by commas."""

    path: tuple[str, ...]
    """Names of the members that lead to the value's list."""
    is_whole: bool
    """True for a whole document, which may not be valid JSON."""
    text: bytes


def elements(read: Read, limit: int) -> Iterator[Element]:
    """Yield the objects in those lists of documents that hold spans; a document without such a list comes as a whole.

    A line of OTLP/JSON with unbalanced brackets comes as a whole as well: it may be damaged, which must not affect
    other lines. Documents follow each other, with or without line breaks. ``read`` returns at most as many bytes as
    asked for, none at the end. Raises MalformedFile for text that is not JSON, and for an object larger than ``limit``
    bytes.
    """
    return iter(_Reader(_Text(read, limit)))


@dataclass(slots=True)
class _Text:
    """The part of a file that is being parsed."""

    read: Read
    limit: int
    buffer: bytes = b""
    before: int = 0  # bytes of the file before the buffer
    position: int = 0  # in the buffer, of the next byte to parse
    gap: bytes = b""  # a part, not white space, of the text between the last two tokens
    kept: int | None = None  # start of the part of the buffer that is still needed
    is_complete: bool = False
    _passed: bytes = b""

    def next(self) -> re.Match[bytes] | None:
        """Return the next token; None at the end of the file."""
        while True:
            token = _TOKEN.search(self.buffer, self.position)
            if token and (token[1] or token[0][:1] != b'"') and (token.end() < len(self.buffer) or self.is_complete):
                self._advance(token.start(), token.end())
                return token
            if self.is_complete:
                if token:
                    raise self.error("a string is cut short")
                self._advance(len(self.buffer), len(self.buffer))
                return None
            self._extend(token.start() if token else len(self.buffer))

    def _advance(self, start: int, end: int) -> None:
        self.gap, self._passed = self._passed + self.buffer[self.position : start].strip(), b""
        self.position = end

    def _extend(self, pending: int) -> None:
        """Read more, and drop the part before ``pending`` that is not kept."""
        start = pending if self.kept is None else self.kept
        if len(self.buffer) - start > self.limit:
            raise self.error(f"a trace or resource is larger than {self.limit} bytes")
        more = self.read(max(_STEP, len(self.buffer) - start))  # doubles at least: the buffer is parsed again
        self.is_complete = not more
        self._passed += self.buffer[self.position : pending].strip()[:1]
        self.buffer = self.buffer[start:] + more
        self.before += start
        self.position = pending - start
        if self.kept is not None:
            self.kept = 0

    def line(self) -> bytes | None:
        """Return the next line if the Collector has written it; None for any other line.

        Its brackets are compared by number only, which is quicker than matching them. A line with unbalanced brackets
        is returned if another line of the Collector follows, which begins a new document in any case.
        """
        if not self._begins_line(0) or (length := self._line_length()) is None:
            return None
        line = self.buffer[self.position : self.position + length]
        if not _is_balanced(line) and not self._begins_line(length + 1):
            return None
        self.position += length + 1
        return line.rstrip(b"\r")

    def _begins_line(self, ahead: int) -> bool:
        """Return True if a line written by the Collector begins ``ahead`` bytes from here."""
        while not self.is_complete and len(self.buffer) - self.position < ahead + len(_LINE_START):
            self._extend(self.position)
        return self.buffer.startswith(_LINE_START, self.position + ahead)

    def _line_length(self) -> int | None:
        while (end := self.buffer.find(b"\n", self.position)) < 0:
            if self.is_complete or len(self.buffer) - self.position > self.limit:
                return None
            self._extend(self.position)
        return end - self.position

    def keep(self, start: int) -> None:
        """Keep the buffer from this position on."""
        self.kept = start

    def take(self) -> bytes:
        """Return the part kept up to the current position, and drop it."""
        assert self.kept is not None
        taken, self.kept = self.buffer[self.kept : self.position], None
        return taken

    def error(self, reason: str) -> MalformedFile:
        """Make an error that names the position."""
        return MalformedFile(f"at byte {self.before + self.position}: {reason}")


def _is_balanced(line: bytes) -> bool:
    ends_well = line.rstrip(b"\r").endswith(_LINE_END)
    return ends_well and line.count(b"{") == line.count(b"}") and line.count(b"[") == line.count(b"]")


@dataclass(slots=True)
class _Reader:
    """A reader that tracks the nesting of brackets."""

    text: _Text
    containers: list[tuple[bytes, tuple[str, ...]]] = field(default_factory=list)
    """Opening brackets, and for each the names that lead to it."""
    name: str = ""
    """Name of the member that comes next."""
    has_list: bool = False
    """True if the document has a list of elements."""

    def __iter__(self) -> Iterator[Element]:
        yield from self._lines()
        while token := self._next():
            if token[0][:1] == b'"':
                self._string(token)
            elif token[0] in (b"{", b"["):
                yield from self._open(token)
            else:
                yield from self._close(token[0])
        if self.containers:
            raise self.text.error("the file ends within a document: it is cut short")

    def _lines(self) -> Iterator[Element]:
        while (line := self.text.line()) is not None:
            if not _is_balanced(line):
                yield Element(("resourceSpans",), is_whole=True, text=line)
            elif content := line[len(_LINE_START) : -len(_LINE_END)]:
                yield Element(("resourceSpans",), is_whole=False, text=content)

    def _next(self) -> re.Match[bytes] | None:
        token = self.text.next()
        if not self.containers and self.text.gap:
            raise self.text.error("this is not JSON")
        return token

    def _string(self, token: re.Match[bytes]) -> None:
        if not self.containers:
            raise self.text.error("an object is needed, not a string")
        if token[2] and len(self.containers) <= _DEEPEST:
            self.name = token[0].partition(b'"')[2].rpartition(b'"')[0].decode(errors="replace")

    def _open(self, token: re.Match[bytes]) -> Iterator[Element]:
        bracket = token[0]
        if self.containers and self._is_list() and bracket == b"{":
            yield self._element(token)
            return
        path: tuple[str, ...] = ()
        if not self.containers:
            self.has_list = False
            self.text.keep(token.start())
        else:
            around, above = self.containers[-1]
            path = (*above, self.name if around == b"{" else "[]")[: _DEEPEST + 1]
        if len(self.containers) == _MOST_LEVELS:
            raise self.text.error(f"objects and lists nest too deep (limit: {_MOST_LEVELS} levels)")
        self.containers.append((bracket, path))
        if self._is_list():
            self.has_list = True
            self.text.kept = None

    def _is_list(self) -> bool:
        bracket, path = self.containers[-1]
        return bracket == b"[" and path in _LISTS

    def _element(self, token: re.Match[bytes]) -> Element:
        """Return the object that begins with the token."""
        self.text.keep(token.start())
        depth = 1
        while depth:
            following = self.text.next()
            if following is None:
                raise self.text.error("the file ends within a trace: it is cut short")
            depth += (following[0] in (b"{", b"[")) - (following[0] in (b"}", b"]"))
        return Element(self.containers[-1][1], is_whole=False, text=self.text.take())

    def _close(self, bracket: bytes) -> Iterator[Element]:
        opening = {b"}": b"{", b"]": b"["}[bracket]
        if not self.containers or self.containers.pop()[0] != opening:
            raise self.text.error("brackets do not match: this is not JSON")
        if self.containers:
            return
        if not self.has_list:
            yield Element((), is_whole=True, text=self.text.take())
        yield from self._lines()
