"""Blocks compared with the checksums of their index entries before they are read: DuckDB checks none of its own.

A file is read once for that, at some 6 GB/s, and then not again as long as it is the same file. What DuckDB reads from
S3 without a copy is not compared; S3 keeps checksums itself.
"""

import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

from spanlake.store.block_schema import UNREADABLE, from_parquet
from spanlake.store.errors import BlockDamaged, StorageUnavailable
from spanlake.store.index import Block

_PIECE = 16 << 20  # bytes
_MOST = 200_000  # files that are remembered
_REMOTE = "://"

_State = tuple[int | None, int, int, int]  # checksum of the entry; inode, time of change and size of the file


class BlockChecks:
    """Remembers which files are what their entries say. Share it between threads."""

    def __init__(self) -> None:
        self._right: dict[str, _State] = {}
        self._lock = threading.Lock()

    def compare(self, blocks: Sequence[Block], files: Sequence[str], check: Callable[[], None]) -> None:
        """Raise BlockDamaged for a block whose file is not the one that was stored.

        ``check`` is called now and then, and raises whatever ends the request.
        """
        for block, file in zip(blocks, files, strict=True):
            if _REMOTE not in file:
                self._compare(block, file, check)

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


def _check_file(block: Block, file: str) -> None:
    if block.checksum is None or _checksum(file) != block.checksum:
        _check_footer(block, file)  # tells what is wrong, if it can
    if block.checksum is not None and _checksum(file) != block.checksum:
        raise BlockDamaged(
            f"the block {block.path} is damaged: its checksum is not that of its index entry; "
            "`spanlake verify` tells more and sets it aside"
        )


def _check_footer(block: Block, file: str) -> None:
    """Raise BlockDamaged where a file is no block, or of a newer format."""
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(file)
        from_parquet(metadata.schema.to_arrow_schema().names, metadata.metadata or {})
    except UNREADABLE as error:
        raise BlockDamaged(f"the block {block.path} cannot be read: {error}") from error


def _checksum(file: str) -> int:
    found = 0
    with Path(file).open("rb", buffering=0) as opened:
        while piece := opened.read(_PIECE):
            found = zlib.crc32(piece, found)
    return found
