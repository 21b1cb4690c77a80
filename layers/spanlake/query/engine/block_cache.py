"""Copies of blocks in S3, kept as files for the next queries.

S3 takes some 20 ms to answer a request, and DuckDB makes a dozen of them for two columns of a small block, one after
the other, and many more of a large one. A small block is read whole with one request instead, many of them at once; so
are parts of a larger one that is read from end to end. Blocks never change: what was read once need not be read again.
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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain
from pathlib import Path

from spanlake.store.blocks.block import Block
from spanlake.store.deadline import limited
from spanlake.store.errors import StorageTimeout, StoreError
from spanlake.store.objects.base import Objects

_AT_ONCE = 12
_LONGEST_SECONDS = 10.0  # for a part to come
_PULSE_SECONDS = 0.05
_NAME = "spanlake-copies-"
_LOCK = "lock"  # of a directory, held while its process lives


@dataclass(frozen=True, slots=True)
class CachePolicy:
    """Bounds of the copies, in bytes."""

    small: int = 8 << 20  # of a block that is copied in any case: the requests that are spared take longer
    part: int = 4 << 20  # of a larger one that are read at once
    largest: int = 64 << 20  # of a block that is read from end to end
    all_copies: int = 320 << 20  # a function has 512 MB that are not charged


USUAL_CACHE = CachePolicy()


@dataclass
class _Copy:
    size: int  # bytes
    asked: float  # when it was asked for last, by the monotonic clock


@dataclass
class _Coming:
    """A copy that is being made: its parts that are neither there nor given up, and whether one was."""

    parts: dict[int, Future[None]]  # by where they begin
    has_failed: bool = False


class BlockCache:
    """Copies of blocks, in a directory that goes when the process ends. Share it between threads.

    What was asked for in the last ``seconds``, by the end of which every query is over, makes no room for others.
    """

    def __init__(self, objects: Objects, seconds: float, policy: CachePolicy = USUAL_CACHE) -> None:
        self.directory = Path(tempfile.gettempdir(), f"{_NAME}{secrets.token_hex(8)}").resolve()
        self._objects = objects
        self._seconds = seconds
        self._policy = policy
        self._kept: OrderedDict[str, _Copy] = OrderedDict()  # by the block's path, the one asked for last at the end
        self._coming: dict[str, _Coming] = {}
        self._bytes = 0  # of those that are kept and those that are coming
        self._lock = threading.RLock()
        self._threads = ThreadPoolExecutor(_AT_ONCE, "copies")

    def paths(self, blocks: Sequence[Block], check: Callable[[], None], *, sequential: bool = False) -> list[str]:
        """Return the paths of the blocks for DuckDB: of local copies where there are or can be any, else of objects.

        Larger ones are copied where they are ``scanned``. While they come, ``check`` raises whatever ends the request
        that waits for them.
        """
        with self._lock:
            largest = self._policy.largest if sequential else self._policy.small
            coming = {block: parts for block in blocks if (parts := self._asked_for(block, largest))}
        try:
            while (found := wait(chain.from_iterable(map(dict.values, coming.values())), _PULSE_SECONDS)).not_done:
                _check_answers(found.done)
                check()
            _check_answers(found.done)
        finally:
            for block, parts in coming.items():
                for start, part in parts.items():
                    self._give_up(block, start, part)
        return [self._file(block.path) for block in blocks]

    def _file(self, path: str) -> str:
        return str(self._copy(path)) if path in self._kept else self._objects.uri(path)

    def _copy(self, path: str) -> Path:
        return self.directory / f"{blake2b(path.encode(), digest_size=16).hexdigest()}.parquet"

    def _asked_for(self, block: Block, largest: int) -> dict[int, Future[None]]:
        """Return the parts to wait for, if any."""
        path = block.path
        copy = self._kept.get(path)
        if copy is not None:
            if self._copy(path).exists():
                copy.asked = time.monotonic()
                self._kept.move_to_end(path)
                return {}
            self._drop(path)  # somebody has cleaned up
        if path not in self._coming and block.size <= largest and self._make_room(block.size):
            self._bytes += block.size
            starts = range(0, block.size, self._policy.part) if block.size > self._policy.small else (0,)
            self._coming[path] = coming = _Coming({})
            coming.parts |= {start: self._threads.submit(self._fetch, block, start) for start in starts}
        return dict(self._coming[path].parts) if path in self._coming else {}

    def _fetch(self, block: Block, start: int) -> None:
        is_there = False
        try:
            is_there = self._is_copied(block, start)
        finally:
            self._end(block, start, is_there=is_there)

    def _give_up(self, block: Block, start: int, part: Future[None]) -> None:
        """Do without a part, unless it is there or on its way."""
        with self._lock:
            coming = self._coming.get(block.path)
            if part.cancel() and coming is not None and coming.parts.get(start) is part:
                self._end(block, start, is_there=False)

    def _end(self, block: Block, start: int, *, is_there: bool) -> None:
        """Note what became of a part, and with the last one of the copy."""
        with self._lock:
            coming = self._coming[block.path]
            del coming.parts[start]
            coming.has_failed |= not is_there
            if coming.parts:
                return
            del self._coming[block.path]
            copy = self._copy(block.path)
            try:
                if coming.has_failed:
                    _part_of(copy).unlink(missing_ok=True)
                else:
                    _part_of(copy).rename(copy)
                    self._kept[block.path] = _Copy(block.size, time.monotonic())
            except OSError:
                coming.has_failed = True
            if coming.has_failed:
                self._bytes -= block.size

    def _make_room(self, size: int) -> bool:
        while self._bytes + size > self._policy.all_copies:
            path, copy = next(iter(self._kept.items()), ("", None))
            if copy is None or time.monotonic() - copy.asked < self._seconds:
                return False
            self._drop(path)
        return True

    def _drop(self, path: str) -> None:
        self._bytes -= self._kept.pop(path).size
        with suppress(OSError):
            self._copy(path).unlink()

    def _is_copied(self, block: Block, start: int) -> bool:
        """Copy a part; True when it is there now. Where it is not, reading the object itself tells why.

        Raises StorageTimeout: the object itself would not be read either.
        """
        try:
            with limited(_LONGEST_SECONDS):
                content = self._read(block, start)
            if content is None:
                return False
            self._write(self._copy(block.path), start, content)
        except StorageTimeout:
            raise
        except (StoreError, OSError):
            return False
        return True

    def _read(self, block: Block, start: int) -> bytes | None:
        """Return a part of a block, the whole of a small one; None when it is not as large as it should be."""
        if block.size <= self._policy.small:
            content = self._objects.get(block.path)
            return content if len(content) == block.size else None
        with self._objects.open(block.path) as file:
            if file.size() != block.size:
                return None
            file.seek(start)
            return file.read(min(self._policy.part, block.size - start))

    def _write(self, copy: Path, start: int, content: bytes) -> None:
        with self._lock:
            if not self.directory.exists():
                self._make_directory()
        file = os.open(_part_of(copy), os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            while content:
                written = os.pwrite(file, content, start)
                content, start = content[written:], start + written
        finally:
            os.close(file)

    def _make_directory(self) -> None:
        _sweep(self.directory.parent)
        self.directory.mkdir(mode=0o700)
        lock = os.open(self.directory / _LOCK, os.O_WRONLY | os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_EX)
        weakref.finalize(self, _remove, self.directory, lock)


def _check_answers(parts: Iterable[Future[None]]) -> None:
    """Raise StorageTimeout when one of these finished parts did not come in time."""
    for part in parts:
        if not part.cancelled() and (error := part.exception()) is not None:
            raise error


def _part_of(copy: Path) -> Path:
    return copy.with_suffix(".part")


def _sweep(parent: Path) -> None:
    """Remove directories of processes that were killed."""
    for lock in parent.glob(f"{_NAME}*/{_LOCK}"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent)


def _remove(directory: Path, lock: int) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)
