"""Directories that survive a power cut, errors of files, and disk space reserved for the index."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spanlake.store.errors import StorageUnavailable


def make_directories(directory: Path) -> None:
    """Create a directory with the parents it lacks, and make durable that they are there; raises OSError."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def sync(directory: Path) -> None:
    """Make durable which names stand in a directory; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reported(what: str) -> Iterator[None]:
    """Raise StorageUnavailable for an OSError, which says what was attempted."""
    try:
        yield
    except OSError as error:
        raise StorageUnavailable(f"{what}: {error.strerror or error}") from error


_SIZE = 4 << 20  # bytes; SQLite's shared memory takes 32 KiB, the log of a large removal some MiB
_LEAST = 64 << 10


class Reserve:
    """A file that takes space for nothing, until it is released."""

    def __init__(self, path: Path, size: int = _SIZE) -> None:
        self._path = path
        self._size = size

    def release(self) -> bool:
        """Give the space back to the file system; False when none was held."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def fill(self) -> None:
        """Take the space, or what is left of it on a disk that is nearly full."""
        with suppress(OSError):
            if self._held() >= self._size:
                return
            free = os.statvfs(self._path.parent)
            self._take(min(self._size, self._held() + free.f_bavail * free.f_frsize))

    def is_whole(self) -> bool:
        """True when all of the space is held."""
        return self._held() >= self._size

    def _held(self) -> int:
        try:
            return self._path.stat().st_size
        except FileNotFoundError:
            return 0

    def _take(self, size: int) -> None:
        if size < _LEAST:
            return
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
