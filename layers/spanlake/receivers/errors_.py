"""Errors of files of spans."""


class MalformedFile(ValueError):  # noqa: N818
    """A file that cannot be read beyond some position; the message gives position and reason."""
