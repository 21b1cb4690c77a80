"""Finds a query or a statement that the shell has split into words, for want of quotes."""

import shlex
from collections.abc import Sequence

_STATEMENTS = {"describe", "explain", "from", "pivot", "select", "show", "summarize", "table", "unpivot", "with"}
_KEPT = "a shell also takes |, &, <, > and quotes for itself, so that some of it may be missing here"


def unquoted(arguments: Sequence[str]) -> str:
    """Return advice for the arguments of a command line in which a query has no quotes; empty for all others."""
    split = _statement(arguments) or _filter(arguments)
    if not split:
        return ""
    start, end = split
    text = " ".join(arguments[start:end])
    command = shlex.join(["spanlake", *arguments[:start], text, *arguments[end:]])
    return f"the shell split the query into {end - start} words, put it into quotes: {command}\n({_KEPT})"


def _filter(arguments: Sequence[str]) -> tuple[int, int] | None:
    """Return the range of words that begins with an open brace and ends with the last brace that closes."""
    opened = (at for at, word in enumerate(arguments) if word.startswith("{") and word.count("{") > word.count("}"))
    start = next(opened, None)
    if start is None:
        return None
    end = max((at + 1 for at, word in enumerate(arguments) if at > start and "}" in word), default=None)
    return (start, end) if end else None


def _statement(arguments: Sequence[str]) -> tuple[int, int] | None:
    """Return the range of words of a statement of SQL, up to the first option."""
    if arguments[:1] != ["sql"] or len(arguments) < 3 or arguments[1].casefold() not in _STATEMENTS:
        return None
    end = next((at for at, word in enumerate(arguments) if at > 1 and word.startswith("-")), len(arguments))
    return (1, end) if end > 2 else None
