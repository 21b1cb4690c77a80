"""Error messages for error answers, with advice for the user."""

import json
import re

from rich.cells import cell_len

from spanlake.cli.errors import Refused
from spanlake.cli.printable import printable

_LONGEST = 1000
_HINTS = {
    401: "the server requires credentials: give them with --header 'Authorization: …'",
    403: "access denied: give other credentials with --header, or another --tenant",
    429: "the server is overloaded: try again later",
    503: "the server is not ready or overloaded: try again later",
}
_QUOTES = "(put the query into single quotes: a shell takes |, &, < and > in it for itself)"
_PAGE = "a page for browsers"
_UNTOLD = {"", _PAGE, "not found", "404 page not found", "404 not found"}  # texts of servers that say nothing else
_NOT_HERE = (
    "is it the address of a Tempo API, without a path? that of spanlake is on port 3200, or on what --port-offset adds"
)
_POSITION = re.compile(r"\bline (\d{1,6}), col(?:umn)? (\d{1,6})\b", re.ASCII)


def refused(status: int, location: str | None, body: bytes, address: str) -> Refused:
    """Make the error for an answer other than success; ``address`` is the requested URL."""
    message = _message(body)
    return Refused(status, message, _told(status, location, message, address))


def with_caret(error: Refused, query: str) -> Refused:
    """Add the query's line with a caret under the column to an error whose message has both positions."""
    position = _POSITION.search(error.message)
    lines = query.split("\n")
    if error.status != 400 or position is None or not 1 <= int(position[1]) <= len(lines):
        return error
    line, column = lines[int(position[1]) - 1], int(position[2])
    if not 1 <= column <= len(line) + 1:
        return error
    lead = " " * cell_len(printable(line[: column - 1]))
    return Refused(error.status, error.message, f"{error}\n{printable(line)}\n{lead}^")


def of_query(error: Refused, query: str) -> Refused:
    """Show where a query on the command line is wrong, and remind of quotes where it ends before its last brace."""
    shown = with_caret(error, query)
    if error.status != 400 or query.count("{") <= query.count("}"):
        return shown
    return Refused(error.status, error.message, f"{shown}\n{_QUOTES}")


def _told(status: int, location: str | None, message: str, address: str) -> str:
    if status == 400 and message:
        return message
    if 300 <= status < 400 and location:
        return f"{address} redirects to {printable(location)[:_LONGEST]}: name that server with --url"
    if status == 404 and message.casefold() in _UNTOLD:
        return f"{address} answered 404: {_NOT_HERE}"
    hint = _HINTS.get(status, f"{address} answered {status}")
    return (
        f"{hint} ({status}: {message})" if message and status in _HINTS else f"{hint}: {message}" if message else hint
    )


def _message(body: bytes) -> str:
    """Return the server's message on one line: plain text, or the text in an object, as of Grafana and FastAPI."""
    text = body.decode("utf-8", "replace").strip()
    if text[:1] == "<":
        return _PAGE
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        text = next((str(answer[key]) for key in ("message", "detail", "error") if key in answer), text)
    return printable(" ".join(text.split()))[:_LONGEST]
