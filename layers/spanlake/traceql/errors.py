"""Errors of TraceQL queries, with their position."""

_LONGEST = 400


class TraceQLError(ValueError):
    """A query that cannot be answered, with the position of the error in its text.

    ``line`` and ``column`` count from 1, columns in characters. ``str()`` is one line, fit for an HTTP answer;
    ``pretty()`` adds the source line with a caret under the position.
    """

    def __init__(self, message: str, text: str = "", at: int = 0) -> None:
        self.message = message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…"
        super().__init__(self.message)
        self.text = text
        self.at = min(at, len(text))
        self.line = text.count("\n", 0, self.at) + 1
        self.column = self.at - text.rfind("\n", 0, self.at)

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: {self.message}"

    def pretty(self) -> str:
        """Return the error, the line of the query with the error, and a caret under the column."""
        source = self.text.split("\n")[self.line - 1]
        lead = "".join("\t" if char == "\t" else " " for char in source[: self.column - 1])
        return f"{self}\n{source}\n{lead}^"


class ParseError(TraceQLError):
    """The text is not TraceQL."""


class TypeMismatch(TraceQLError):  # noqa: N818
    """The text is TraceQL, but an operator or a function has an operand of the wrong type."""


class Unsupported(TraceQLError):  # noqa: N818
    """The query is valid, but this implementation does not support it."""
