"""Output as it stands in a test."""

from textwrap import dedent


def page(text: str) -> str:
    """What stands between the quotes, without the first line break and the margin."""
    return dedent(text).removeprefix("\n")
