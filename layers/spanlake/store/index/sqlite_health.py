"""Checks of an index file: it is the file that was opened, and no page is damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from spanlake.store.errors import StorageCorrupt, StorageUnavailable

_CHECKED_BYTES = 256 << 20  # of a file that is read whole when it is opened, which takes 1 s a GiB
_REMEDY = "restore it from a backup, or move it away and run spanlake reindex"


class IndexHealth:
    """The state of one index file while a process has it open. Share it between threads."""

    def __init__(self, path: Path) -> None:
        """``path`` names a file that has just been opened; raises OSError."""
        self._path = path
        self._identity = _identity(path)
        self._damage: str | None = None

    def hindrance(self) -> str | None:
        """Why the index cannot be used until somebody mends it; None when it can."""
        if self._damage is not None:
            return self._damage
        try:
            self.check()
        except StorageUnavailable as error:
            return str(error)
        return None

    def check(self) -> None:
        """Raise StorageUnavailable when the path is not the opened file: what is written there would be lost."""
        if _identity(self._path) != self._identity:
            raise StorageUnavailable(
                f"the index {self._path} was deleted or replaced while it was open: {_REMEDY}, then restart the server"
            )

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Remember damage that is found inside."""
        try:
            yield
        except StorageCorrupt as error:
            self._damage = str(error)
            raise


def check_pages(connection: sqlite3.Connection, path: Path) -> None:
    """Raise StorageCorrupt when a page of the file is damaged; large files are not read."""
    if path.stat().st_size > _CHECKED_BYTES:
        return
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise damaged(path, found)


def damaged(path: Path, reason: object) -> StorageCorrupt:
    """The error that names a damaged index, and what to do."""
    return StorageCorrupt(f"the index {path} is damaged ({str(reason).splitlines()[-1]}): {_REMEDY}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode of a file; None when it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
