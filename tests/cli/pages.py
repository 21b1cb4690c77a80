"""Output as it stands in a test."""

from textwrap import dedent


def page(text: str) -> str:
    """Returns the text without its first line break and its margin."""
    return dedent(text).removeprefix("\n")
