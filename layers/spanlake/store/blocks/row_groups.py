"""Rows of blocks on this machine, read by the row groups that they are in."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from spanlake.store.blocks.schema import UNREADABLE, from_parquet
from spanlake.store.errors import BlockDamaged, StorageUnavailable

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_FOOTERS = 4  # that are kept: to read that of a block of a million spans takes 3 ms


class RowGroups:
    """The row groups of a block's file that hold some of its rows, which are given in ascending order."""

    def __init__(self, file: str, rows: Sequence[int]) -> None:
        """Read the footer of the file, unless it is known. Raises BlockDamaged; StorageUnavailable where it is gone."""
        self._file = file
        self._rows = rows
        with _reading(file):
            self._footer = _footer(file)
        ends = list(accumulate(self._footer.row_group(n).num_rows for n in range(self._footer.num_row_groups)))
        self._groups = [bisect_right(ends, row) for row in rows]  # of each row
        self._starts = [0, *ends]

    @property
    def numbers(self) -> list[int]:
        """Return the numbers of the row groups, in ascending order."""
        return list(dict.fromkeys(self._groups))

    @property
    def size(self) -> int:
        """Return the bytes that all columns of the row groups have before compression."""
        return sum(self._footer.row_group(number).total_byte_size for number in self.numbers)

    def read(self, is_wanted: Callable[[str], bool]) -> pa.Table:
        """Return the rows, with the columns whose names are wanted. Raises as the constructor does."""
        import pyarrow.parquet as pq

        with _reading(self._file):
            file = pq.ParquetFile(self._file, metadata=self._footer, page_checksum_verification=True)
            columns = [name for name in file.schema_arrow.names if is_wanted(name)]
            found = file.read_row_groups(self.numbers, columns=columns).take(pa.array(self._places(), pa.int64()))
            return found.cast(from_parquet(found.column_names, self._footer.metadata or {}))

    def _places(self) -> list[int]:
        """Return the place of each row among those of the row groups."""
        lengths = (self._starts[number + 1] - self._starts[number] for number in self.numbers)
        firsts = dict(zip(self.numbers, accumulate(lengths, initial=0), strict=False))
        return [row - self._starts[group] + firsts[group] for row, group in zip(self._rows, self._groups, strict=True)]


@lru_cache(maxsize=_FOOTERS)
def _footer(file: str) -> "pq.FileMetaData":
    """Read a footer: the content of a file never changes, since its name is made of it."""
    import pyarrow.parquet as pq

    return pq.read_metadata(file)


@contextmanager
def _reading(file: str) -> Iterator[None]:
    """Turn what pyarrow raises into errors of the store."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageUnavailable(f"the block {_name(file)} is gone") from error
    except UNREADABLE as error:
        raise BlockDamaged(f"the block {_name(file)} cannot be read: {error}") from error


def _name(file: str) -> str:
    return Path(file).stem
