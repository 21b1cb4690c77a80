"""Regular expressions of a query: their validation, and the form that DuckDB takes."""

import re
from collections.abc import Iterator

# Parts of a pattern: a quotation, an escaped character, a class with the classes in it, a group's name, any other
# character. A class that is not closed goes to the end: else each bracket of many would be followed to there.
_PARTS = re.compile(
    r"\\Q.*?(?:\\E|$)|\\.|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*(?:\]|\\?\Z)|\(\?P?<(?![=!])\w+>|.",
    re.DOTALL,
)
_MOST_BYTES = 1 << 21  # of a compiled pattern, which takes some 40 ms here and 120 in DuckDB
_LONGEST = 1 << 16  # characters: RE2 looks for the end of each "[:" to the end of the pattern, 0.2 s for so many
_ANY_BYTE = r"\C"


def problem_of(pattern: str) -> str | None:
    """Return RE2's error for a regular expression; None for a valid one."""
    import re2  # type: ignore[import-untyped]

    if len(pattern) > _LONGEST:
        return f"it has more than {_LONGEST} characters"
    if _ANY_BYTE in _parts(pattern):
        return f"invalid escape sequence: {_ANY_BYTE}"
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MOST_BYTES
    try:
        re2.compile(pattern, options)
    except re2.error as error:
        return error.args[0].decode(errors="replace")  # type: ignore[no-any-return]
    return None


def without_names(pattern: str) -> str:
    """Return an equivalent pattern without names of groups, which DuckDB does not take."""
    return "".join("(" if part.startswith(("(?P<", "(?<")) else part for part in _parts(pattern))


def _parts(pattern: str) -> Iterator[str]:
    return (found[0] for found in _PARTS.finditer(pattern))
