"""Errors of files of spans."""


class MalformedFile(ValueError):  # noqa: N818
    """A file that cannot be read from some place on; the message says where and why."""
