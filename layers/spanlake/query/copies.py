"""Copies of small blocks in S3, kept as files for the next queries.

S3 takes some 20 ms to answer a request, and DuckDB makes a dozen of them for two columns of a block, one after the
other. A small block is read whole with one instead, many of them at once. Blocks never change: what was read once need
not be read again.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from spanlake.store.errors import StoreError
from spanlake.store.index import Block
from spanlake.store.objects import Objects

LARGEST = 8 << 20
"""Bytes of a block that is copied: sending more takes longer than the requests that are spared."""

_MOST_BYTES = 256 << 20  # of all copies: a function has twice as much that is not charged
_AT_ONCE = 12
_PULSE_SECONDS = 0.05
_NAME = "spanlake-copies-"
_LOCK = "lock"  # of a directory, held while its process lives


@dataclass
class _Copy:
    size: int  # bytes
    asked: float  # when it was asked for last, by the monotonic clock


class Copies:
    """Copies of blocks, in a directory that goes when the process ends. Share it between threads.

    What was asked for in the last ``seconds``, by the end of which every query is over, makes no room for others.
    """

    def __init__(self, objects: Objects, seconds: float, most_bytes: int = _MOST_BYTES) -> None:
        self.directory = Path(tempfile.gettempdir(), f"{_NAME}{secrets.token_hex(8)}").resolve()
        self._objects = objects
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._kept: OrderedDict[str, _Copy] = OrderedDict()  # by the block's path, the one asked for last at the end
        self._coming: dict[str, Future[None]] = {}
        self._bytes = 0  # of those that are kept and those that are coming
        self._lock = threading.RLock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "copies")

    def files(self, blocks: Sequence[Block], check: Callable[[], None]) -> list[str]:
        """What DuckDB calls the blocks: the copy of one that has one, or can have it, and else the object itself.

        While they come, ``check`` raises whatever ends the request that waits for them.
        """
        with self._lock:
            coming = {block: future for block in blocks if (future := self._asked_for(block)) is not None}
        try:
            while wait(coming.values(), _PULSE_SECONDS).not_done:
                check()
        finally:
            for block, future in coming.items():
                if future.cancel():  # neither there nor on its way
                    self._end(block, is_kept=False)
        return [self._file(block.path) for block in blocks]

    def _file(self, path: str) -> str:
        return str(self._copy(path)) if path in self._kept else self._objects.uri(path)

    def _copy(self, path: str) -> Path:
        return self.directory / f"{blake2b(path.encode(), digest_size=16).hexdigest()}.parquet"

    def _asked_for(self, block: Block) -> "Future[None] | None":
        """What to wait for, if anything."""
        path = block.path
        copy = self._kept.get(path)
        if copy is not None:
            if self._copy(path).exists():
                copy.asked = time.monotonic()
                self._kept.move_to_end(path)
                return None
            self._drop(path)  # somebody has cleaned up
        if path not in self._coming and block.size <= LARGEST and self._make_room(block.size):
            self._bytes += block.size
            self._coming[path] = self._threads.submit(self._fetch, block)
        return self._coming.get(path)

    def _fetch(self, block: Block) -> None:
        is_kept = False
        try:
            is_kept = self._is_copied(block)
        finally:
            self._end(block, is_kept=is_kept)

    def _end(self, block: Block, *, is_kept: bool) -> None:
        """Note what became of a copy that was coming, unless that was noted before."""
        with self._lock:
            if self._coming.pop(block.path, None) is None:
                return
            if is_kept:
                self._kept[block.path] = _Copy(block.size, time.monotonic())
            else:
                self._bytes -= block.size

    def _make_room(self, size: int) -> bool:
        while self._bytes + size > self._most_bytes:
            path, copy = next(iter(self._kept.items()), ("", None))
            if copy is None or time.monotonic() - copy.asked < self._seconds:
                return False
            self._drop(path)
        return True

    def _drop(self, path: str) -> None:
        self._bytes -= self._kept.pop(path).size
        with suppress(OSError):
            self._copy(path).unlink()

    def _is_copied(self, block: Block) -> bool:
        """Make the copy; whether there is one now. Where there is none, reading the object itself tells why."""
        try:
            content = self._objects.get(block.path)
            if len(content) != block.size:
                return False
            self._write(self._copy(block.path), content)
        except (StoreError, OSError):
            return False
        return True

    def _write(self, file: Path, content: bytes) -> None:
        with self._lock:
            if not self.directory.exists():
                self._make_directory()
        part = file.with_suffix(".part")
        part.write_bytes(content)
        part.rename(file)

    def _make_directory(self) -> None:
        _sweep(self.directory.parent)
        self.directory.mkdir(mode=0o700)
        lock = os.open(self.directory / _LOCK, os.O_WRONLY | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        weakref.finalize(self, _remove, self.directory, lock)


def _sweep(parent: Path) -> None:
    """Remove directories of processes that were killed."""
    for lock in parent.glob(f"{_NAME}*/{_LOCK}"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)


def _remove(directory: Path, lock: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)
