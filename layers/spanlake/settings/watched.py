"""Files that are read again when they change."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

_LOOK_SECONDS = 1.0
_MAX_BYTES = 16 << 20

_log = logging.getLogger(__name__)


class Refreshed(Protocol):
    """A value that is looked up again from time to time."""

    def refresh(self) -> None:
        """Look it up again if it may have changed; raises nothing."""


class WatchedFile(Generic[T]):
    """The content of a file, as a function reads it.

    A file that cannot be read any more, or has become invalid, leaves the value as it was, with a log line.
    """

    def __init__(self, path: Path, read: Callable[[bytes], T], invalid: type[Exception] = ValueError) -> None:
        """Read the file; raises OSError, and ``invalid`` as ``read`` does."""
        self._path = path
        self._read = read
        self._invalid = invalid
        self._seen = _version(path)
        self.value = read(_content(path))

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        try:
            seen = _version(self._path)
            if seen == self._seen:
                return
            self._seen = seen
            self.value = self._read(_content(self._path))
        except (OSError, self._invalid) as error:
            _log.error("file not reloaded, the former content counts", extra=self._named(error))
            return
        _log.info("file reloaded", extra={"path": str(self._path)})

    def _named(self, error: Exception) -> dict[str, str]:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return {"path": str(self._path), "reason": reason}


def _version(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_mtime_ns, found.st_size, found.st_ino, found.st_dev


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(0, f"it is larger than {_MAX_BYTES >> 20} MiB")
    return content


class Watch:
    """A thread that refreshes values every second, from start to close."""

    def __init__(self, values: Iterable[Refreshed], seconds: float = _LOOK_SECONDS) -> None:
        self._values = tuple(values)
        self._seconds = seconds
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        """Refresh from now on."""
        if self._values:
            self._thread.start()

    def close(self) -> None:
        """Refresh no more."""
        self._closing.set()

    def _run(self) -> None:
        while True:
            for value in self._values:
                value.refresh()
            if self._closing.wait(self._seconds):
                return
