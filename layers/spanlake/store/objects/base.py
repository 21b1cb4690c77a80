"""The interface of object storage: immutable files under slash-separated paths."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import pyarrow as pa

from spanlake.store.errors import InvalidPath

MAX_PATH_BYTES = 1024

_SEGMENT = re.compile(r"[0-9A-Za-z=_%~-][0-9A-Za-z=_%~.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """One object as a listing shows it."""

    path: str
    size: int  # bytes
    modified: datetime  # UTC, when it was last put


@dataclass(frozen=True, slots=True)
class ObjectDigest:
    """Size and checksum of an object as the storage reports them, without its content."""

    size: int  # bytes
    checksum: int | None  # CRC-32; None where the storage does not know it
    format: int | None = None  # of a block; None of blocks that older versions stored


class Objects(Protocol):
    """Object storage; safe to share between threads.

    Every method raises InvalidPath for a path that validate_path refuses, and StorageUnavailable when the storage
    fails in a way that a later attempt may survive.
    """

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        """Store an object, whole and durable when this returns; a reader sees all of it or nothing.

        Putting the same path again replaces the object.
        """

    def get(self, path: str) -> bytes:
        """Read a whole object; raises ObjectNotFound."""

    def open(self, path: str) -> pa.NativeFile:
        """Open an object for reading in parts (a Parquet footer, a row group); raises ObjectNotFound."""

    def delete(self, path: str) -> None:
        """Remove an object; an object that is not there counts as removed."""

    def delete_all(self, paths: Sequence[str]) -> None:
        """Remove some objects in any order; those that are not there count as removed.

        Where it fails, some of them may be gone.
        """

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Name the objects whose path begins with this text, in the order of their paths."""

    def service_time(self) -> int | None:
        """Return the time of the clock that dates objects, in seconds since 1970; None where it is this machine's."""

    @property
    def name(self) -> str:
        """The place of the objects, as an operator calls it."""

    def uri(self, path: str) -> str:
        """Name the object the way DuckDB's read_parquet reads it."""


def validate_path(path: str) -> str:
    """Return the path unchanged when every storage can hold it: relative, no empty or dotted segments, safe characters.

    Raises InvalidPath.
    """
    if len(path) > MAX_PATH_BYTES:
        raise InvalidPath(f"the object path is {len(path)} characters long, at most {MAX_PATH_BYTES} are allowed")
    if not all(map(is_segment, path.split("/"))):
        raise InvalidPath(f"the object path {path!r} is not a relative path of plain segments")
    return path


def is_segment(name: str) -> bool:
    """Return True for a name that can stand between two slashes of an object path.

    A name that begins with a dot cannot.
    """
    return _SEGMENT.fullmatch(name) is not None
