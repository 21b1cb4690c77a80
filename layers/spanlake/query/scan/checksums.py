"""Blocks compared with the checksums of their index entries before they are read: DuckDB checks none of its own.

A file is read once for that, at some 6 GB/s, and then not again as long as it is the same file. A block that DuckDB
reads from S3 by ranges is not read for it: S3 computes the CRC-32 of what it takes in, and says it when asked for the
object's head, which is one request a minute for each block, of all blocks side by side. Reading the ranges a second
time for the checksums of their pages would double the requests and the bytes.
"""

import threading
import time
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path

from spanlake.store.blocks.block import Block
from spanlake.store.blocks.schema import NEWEST_FORMAT, UNREADABLE, check_format, from_parquet, stated_format
from spanlake.store.deadline import REQUEST_SECONDS, limited
from spanlake.store.errors import BlockDamaged, ObjectNotFound, StorageCorrupt, StorageUnavailable
from spanlake.store.objects.base import ObjectDigest

_PIECE = 16 << 20  # bytes
_MOST = 200_000  # files that are remembered
_REMOTE = "://"
_AT_ONCE = 12
_FAR_SECONDS = 60.0  # for which an object in S3 is taken to be as it was

_State = tuple[int | None, int, int, int]  # checksum of the entry; inode, time of change and size of the file


class BlockChecks:
    """Remembers which files are what their entries say. Share it between threads."""

    def __init__(self, digest: Callable[[str], ObjectDigest] | None = None) -> None:
        """Remember nothing yet; ``digest`` asks a storage far away for the checksum of the object at a path."""
        self._digest = digest
        self._threads = ThreadPoolExecutor(_AT_ONCE, "checksums")
        self._right: dict[str, _State] = {}
        self._right_far: dict[str, tuple[int | None, float]] = {}  # checksum by path, and until when it holds
        self._lock = threading.Lock()

    def compare(self, blocks: Sequence[Block], files: Sequence[str], check: Callable[[], None]) -> None:
        """Raise BlockDamaged for a block whose file is not the one that was stored.

        ``check`` is called now and then, and raises whatever ends the request.
        """
        far = []
        for block, file in zip(blocks, files, strict=True):
            if _REMOTE in file:
                far.append(block)
            else:
                self._compare(block, file, check)
        if self._digest is not None and far:
            self._compare_far(far, self._digest)

    def _compare_far(self, blocks: Sequence[Block], digest: Callable[[str], ObjectDigest]) -> None:
        now = time.monotonic()
        due = [block for block in blocks if not self._is_right_far(block, now)]
        contexts = [copy_context() for _ in due]  # of which the time limit is a part
        paths = [block.path for block in due]
        found = self._threads.map(lambda context, path: context.run(_said, digest, path), contexts, paths)
        for block, said in zip(due, list(found), strict=True):
            if said is None:  # gone: whoever reads it next finds out why
                continue
            _check_digest(block, said)
            with self._lock:
                if len(self._right_far) >= _MOST:
                    self._right_far.clear()
                self._right_far[block.path] = block.checksum, now + _FAR_SECONDS

    def _is_right_far(self, block: Block, now: float) -> bool:
        checksum, until = self._right_far.get(block.path, (None, 0.0))
        return checksum == block.checksum and now < until

    def _compare(self, block: Block, file: str, check: Callable[[], None]) -> None:
        try:
            status = Path(file).stat()
            state = (block.checksum, status.st_ino, status.st_mtime_ns, status.st_size)
            if self._right.get(file) == state:
                return
            check()
            _check_file(block, file)
        except OSError as error:
            raise StorageUnavailable(f"cannot read {block.path}: {error.strerror or error}") from error
        with self._lock:
            if len(self._right) >= _MOST:
                self._right.clear()
            self._right[file] = state


def _said(digest: Callable[[str], ObjectDigest], path: str) -> ObjectDigest | None:
    """Return the digest that the storage reports of an object; None where there is no object."""
    try:
        with limited(REQUEST_SECONDS):
            return digest(path)
    except ObjectNotFound:
        return None


def _check_digest(block: Block, said: ObjectDigest) -> None:
    if said.size != block.size:
        raise BlockDamaged(f"the block {block.path} is damaged: it has {said.size} bytes, its entry says {block.size}")
    try:
        check_format(said.format or 0)
    except StorageCorrupt as error:
        raise BlockDamaged(f"the block {block.path} cannot be read: {error}") from error
    if None not in (said.checksum, block.checksum) and said.checksum != block.checksum:
        raise _other_checksum(block)


def _other_checksum(block: Block) -> BlockDamaged:
    return BlockDamaged(
        f"the block {block.path} is damaged: its checksum is not that of its index entry; "
        "`spanlake verify` tells more and sets it aside"
    )


def _check_file(block: Block, file: str) -> None:
    found, format_ = _content(file)
    if block.checksum in (None, found) and format_ is not None and format_ <= NEWEST_FORMAT:
        return
    _check_footer(block, file)  # tells what is wrong, if it can
    if block.checksum not in (None, found):
        raise _other_checksum(block)


def _check_footer(block: Block, file: str) -> None:
    """Raise BlockDamaged where a file is no block, or of a newer format."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file)
        from_parquet(metadata.schema.to_arrow_schema().names, metadata.metadata or {})
    except UNREADABLE as error:
        raise BlockDamaged(f"the block {block.path} cannot be read: {error}") from error


def _content(file: str) -> tuple[int, int | None]:
    """Return the checksum of a file, and the format that it says it has, if that is found."""
    checksum, last = 0, b""
    with Path(file).open("rb", buffering=0) as opened:
        while piece := opened.read(_PIECE):
            checksum, last = zlib.crc32(piece, checksum), piece
    return checksum, stated_format(last)
