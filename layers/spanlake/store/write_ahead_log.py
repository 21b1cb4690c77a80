"""A write-ahead log: files of records that are durable before they are acknowledged, and removed once stored elsewhere.

A file begins with a header, which names the version of the format. A record is its length and the CRC-32 of its
content, both little-endian uint32, and its content. The process that appends to a file holds a lock on it; a file
without a lock is left by a process that has ended, and its records are still to be stored.
"""

import fcntl
import os
import secrets
import struct
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from spanlake.store.disk import make_directories, reported, sync
from spanlake.store.errors import StorageCorrupt

_HEADER = struct.Struct("<8sIQ")  # magic, version, time of the first record in Unix nanoseconds
_MAGIC = b"spanlog\n"
_VERSION = 1
_RECORD = struct.Struct("<II")  # length, CRC-32
_SUFFIX = ".log"


class Segment:
    """A file of the log, locked by this process. Use it from one thread at a time."""

    def __init__(self, path: Path, descriptor: int, created_ns: int, size: int) -> None:
        self.path = path
        self.created_ns = created_ns
        self._descriptor = descriptor
        self._size = size

    def append(self, records: Sequence[bytes]) -> None:
        """Add records, durable when this returns; raises StorageUnavailable, and then none of them is there."""
        framed = b"".join(part for record in records for part in _framed(record))
        with reported(f"cannot write {self.path}"):
            if not os.fstat(self._descriptor).st_nlink:
                raise FileNotFoundError(0, "the file has been removed")
            try:
                _write(self._descriptor, framed)
                os.fdatasync(self._descriptor)
            except OSError:
                with suppress(OSError):
                    os.ftruncate(self._descriptor, self._size)
                    os.lseek(self._descriptor, self._size, os.SEEK_SET)
                raise
        self._size += len(framed)

    def records(self) -> Iterator[bytes]:
        """Read the records from the beginning; one that is torn or damaged is left out."""
        with reported(f"cannot read {self.path}"):
            data = self.path.read_bytes()
        at = _HEADER.size
        while at + _RECORD.size <= len(data):
            length, checksum = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            record = data[at : at + length]
            if len(record) == length and zlib.crc32(record) == checksum:
                yield record
            at += length

    def remove(self) -> None:
        """Remove the file, whose records are stored elsewhere; raises StorageUnavailable."""
        with reported(f"cannot remove {self.path}"):
            self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Give up the lock, and leave the file to the next process that opens the log."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class WriteAheadLog:
    """The files of a directory, which several processes may share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._own: set[str] = set()

    def create(self) -> Segment:
        """Begin a file; raises StorageUnavailable."""
        with reported(f"cannot write to {self._directory}"):
            make_directories(self._directory)
            descriptor, path = self._created()
            created_ns = time.time_ns()
            try:
                _write(descriptor, _HEADER.pack(_MAGIC, _VERSION, created_ns))
                sync(self._directory)
            except OSError:
                path.unlink(missing_ok=True)
                os.close(descriptor)
                raise
        self._own.add(path.name)
        return Segment(path, descriptor, created_ns, _HEADER.size)

    def adopt(self) -> list[Segment]:
        """Take the files that ended processes have left, in the order of their names.

        Raises StorageCorrupt for a file of another version of spanlake, and StorageUnavailable.
        """
        found = []
        for path in self._paths():
            if path.name not in self._own and (segment := _adopted(path)) is not None:
                self._own.add(path.name)
                found.append(segment)
        return found

    def others(self) -> list[Path]:
        """List the files of other processes."""
        return [path for path in self._paths() if path.name not in self._own]

    def _paths(self) -> list[Path]:
        try:
            with os.scandir(self._directory) as entries:
                return sorted(Path(entry.path) for entry in entries if entry.name.endswith(_SUFFIX))
        except FileNotFoundError:
            return []

    def _created(self) -> tuple[int, Path]:
        """Return a new file, locked, which no other process adopted in the moment before."""
        while True:
            path = self._directory / f"{time.time_ns():020d}-{secrets.token_hex(8)}{_SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, path
            os.close(descriptor)


def _framed(record: bytes) -> tuple[bytes, bytes]:
    return _RECORD.pack(len(record), zlib.crc32(record)), record


def _adopted(path: Path) -> Segment | None:
    """Lock a file that has no lock; None for a file that another process holds or has removed."""
    with reported(f"cannot read {path}"):
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink:
                return _opened(path, descriptor)
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
    os.close(descriptor)
    return None


def _opened(path: Path, descriptor: int) -> Segment:
    header = os.pread(descriptor, _HEADER.size, 0)
    size = os.fstat(descriptor).st_size
    if len(header) < _HEADER.size:  # its process ended before it had written a record
        return Segment(path, descriptor, time.time_ns(), size)
    magic, version, created_ns = _HEADER.unpack(header)
    if magic != _MAGIC or version != _VERSION:
        raise StorageCorrupt(
            f"{path} is not a log of this version of spanlake: start the version that wrote it, which stores its spans"
        )
    return Segment(path, descriptor, created_ns, size)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
