"""Errors of request bodies."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)


class BodyError(Exception):
    """Base of what can be wrong with a body before its content is looked at."""


class MalformedBody(BodyError):
    """The body is not what its headers say."""


class BodyTooLarge(BodyError):
    """The body, or what it inflates to, is larger than allowed."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"the body is larger than {limit} bytes, or becomes so when it is decompressed: send fewer spans at a time"
        )


class UnsupportedEncoding(BodyError):
    """The Content-Encoding is not one that is understood."""


class ClientGone(BodyError):
    """The client closed the connection before its body was complete, so nobody waits for an answer."""
