"""Columns of row groups that were read lately: searches ask for the newest ones again and again."""

import threading
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, TypeAlias

import pyarrow as pa

_Column: TypeAlias = "pa.ChunkedArray[Any]"
_Key: TypeAlias = tuple[str, int, str]
_LARGEST = 8  # of all bytes a column may take one in so many


class KeptColumns:
    """Columns by the file, the number of the row group and their name. Safe to share between threads."""

    def __init__(self, most_bytes: int) -> None:
        """Keep nothing yet, and ``most_bytes`` at most later."""
        self._most = most_bytes
        self._kept: OrderedDict[_Key, _Column] = OrderedDict()  # the one asked for last at the end
        self._lock = threading.Lock()
        self.size = 0

    def of(self, file: str, number: int, names: Iterable[str]) -> dict[str, _Column]:
        """Return those columns of a row group that are kept."""
        with self._lock:
            keys = [(file, number, name) for name in names if (file, number, name) in self._kept]
            for key in keys:
                self._kept.move_to_end(key)
            return {key[2]: self._kept[key] for key in keys}

    def add(self, file: str, number: int, columns: pa.Table) -> None:
        """Keep columns of a row group unless they are large; drops those that nobody has asked for the longest."""
        with self._lock:
            for name, column in zip(columns.column_names, columns.columns, strict=True):
                if column.nbytes <= self._most // _LARGEST and (file, number, name) not in self._kept:
                    self._kept[file, number, name] = column
                    self.size += column.nbytes
            while self.size > self._most:
                _, dropped = self._kept.popitem(last=False)
                self.size -= dropped.nbytes
