"""Makes untrusted text safe to print: it cannot move the cursor, change colours or reverse the order of text."""


def printable(text: str) -> str:
    r"""Spell out all invisible characters of a text, as in ``\n``, ``\x1b`` or ``\u202e``.

    These are control, format, private and unassigned characters, lone surrogates, and every space but the plain one.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
