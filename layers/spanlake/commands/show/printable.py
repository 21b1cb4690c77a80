"""Text of others made safe to print: it cannot move the cursor, change colours or the order of what is read."""


def printable(text: str) -> str:
    r"""The text with everything invisible spelled out, as in ``\n``, ``\x1b`` or ``\u202e``.

    Control, format, private and unassigned characters, lone surrogates, and every space but the plain one.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
