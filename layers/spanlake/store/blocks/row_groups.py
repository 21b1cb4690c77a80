"""Rows of blocks on this machine, read by the row groups that they are in."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, int64, where
from spanlake.store.blocks.kept_columns import KeptColumns
from spanlake.store.blocks.schema import UNREADABLE, from_parquet
from spanlake.store.errors import BlockDamaged, StorageUnavailable

if TYPE_CHECKING:
    import pyarrow.parquet as pq

_FOOTERS = 4  # that are kept: to read that of a block of a million spans takes 3 ms
_KEPT = KeptColumns(16 << 20)  # bytes
_ANY = (-(2**63), 2**63 - 1)


class RowGroups:
    """The row groups of a block's file that hold some of its rows, which are given in ascending order."""

    def __init__(self, file: str, rows: Sequence[int]) -> None:
        """Read the footer of the file, unless it is known. Raises BlockDamaged; StorageUnavailable where it is gone."""
        self._file = file
        self._rows = rows
        with _reading(file):
            self._footer = _footer(file)
        self._starts = _starts(file)
        self._groups = [bisect_right(self._starts, row) - 1 for row in rows]  # of each row

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
        with _reading(self._file):
            file = _opened(self._file)
            columns = [name for name in file.schema_arrow.names if is_wanted(name)]
            found = file.read_row_groups(self.numbers, columns=columns).take(pa.array(self._places(), pa.int64()))
            return found.cast(from_parquet(found.column_names, self._footer.metadata or {}))

    def _places(self) -> list[int]:
        """Return the place of each row among those of the row groups."""
        lengths = (self._starts[number + 1] - self._starts[number] for number in self.numbers)
        firsts = dict(zip(self.numbers, accumulate(lengths, initial=0), strict=False))
        return [row - self._starts[group] + firsts[group] for row, group in zip(self._rows, self._groups, strict=True)]


class PickedGroups:
    """The row groups of a block's file that may hold some values of a column of integers."""

    def __init__(self, file: str, column: str, values: Iterable[int]) -> None:
        """Pick them by the footer of the file. Raises as RowGroups does."""
        self._file = file
        with _reading(file):
            self._footer = _footer(file)
            ranges = _ranges(file, column)
        wanted = set(values)
        self.numbers = [n for n, (low, high) in enumerate(ranges) if any(low <= value <= high for value in wanted)]

    def size(self, columns: Iterable[str]) -> int:
        """Return the bytes that columns have in the row groups before compression."""
        places = _places_of_columns(self._file)
        chunks = [places[name] for name in columns if name in places]
        groups = [self._footer.row_group(number) for number in self.numbers]
        return sum(group.column(chunk).total_uncompressed_size for group in groups for chunk in chunks)

    def read(self, columns: Iterable[str], is_wanted: Callable[[pa.Table], Array]) -> tuple[pa.Table, Array]:
        """Return the rows that are wanted, with those columns that the file has, and their numbers in the file.

        Raises as the constructor does.
        """
        places = _places_of_columns(self._file)
        there = [name for name in columns if name in places]
        tables, rows = [], [pa.array([], pa.int64())]
        for number in self.numbers:
            group = self._group(number, there)
            wanted = where(is_wanted(group))
            tables.append(group.take(wanted))
            rows.append(pc.add(wanted, int64(_starts(self._file)[number])))
        nothing = self._footer.schema.to_arrow_schema().empty_table().select(there)
        return pa.concat_tables(tables) if tables else nothing, pa.concat_arrays(rows)

    def _group(self, number: int, names: list[str]) -> pa.Table:
        """Return columns of a row group; reads those that are not kept."""
        kept = _KEPT.of(self._file, number, names)
        if missing := [name for name in names if name not in kept]:
            read = self._read(number, missing)
            _KEPT.add(self._file, number, read)
            kept |= dict(zip(missing, read.select(missing).columns, strict=True))
        return pa.table({name: kept[name] for name in names})

    def _read(self, number: int, names: list[str]) -> pa.Table:
        with _reading(self._file):
            return _opened(self._file).read_row_group(number, columns=names, use_threads=False)


@lru_cache(maxsize=_FOOTERS)
def _ranges(file: str, column: str) -> list[tuple[int, int]]:
    """Return the least and the greatest value of a column in each row group, the widest range where none is noted."""
    footer, place = _footer(file), _places_of_columns(file).get(column)
    if place is None:
        return [_ANY] * footer.num_row_groups
    every: Iterator[Any] = (footer.row_group(n).column(place).statistics for n in range(footer.num_row_groups))
    return [(one.min, one.max) if one is not None and one.has_min_max else _ANY for one in every]


@lru_cache(maxsize=_FOOTERS)
def _places_of_columns(file: str) -> dict[str, int]:
    """Return the numbers of a file's columns by their paths, which are their names but in lists and structs."""
    schema = _footer(file).schema
    return {schema.column(n).path: n for n in range(len(schema))}


@lru_cache(maxsize=_FOOTERS)
def _starts(file: str) -> list[int]:
    """Return the first row of each row group, and the number of all rows."""
    footer = _footer(file)
    return list(accumulate((footer.row_group(n).num_rows for n in range(footer.num_row_groups)), initial=0))


@lru_cache(maxsize=_FOOTERS)
def _footer(file: str) -> "pq.FileMetaData":
    """Read a footer: the content of a file never changes, since its name is made of it."""
    import pyarrow.parquet as pq

    return pq.read_metadata(file)


def _opened(file: str) -> "pq.ParquetFile":
    import pyarrow.parquet as pq

    return pq.ParquetFile(file, metadata=_footer(file), page_checksum_verification=True)


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
