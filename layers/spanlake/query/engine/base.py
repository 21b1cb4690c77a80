"""The interface of query engines: DuckDB in this process, and Athena for more blocks than it can read.

Queries are compiled for any engine, in DuckDB's dialect. An engine reads blocks and returns tables; what is made of the
tables, and of the few spans that are looked at one by one, is made in this process.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from spanlake.store.blocks.block import Block


class NotSupportedByEngine(Exception):  # noqa: N818
    """The engine has no words for a query; the message says for what."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Properties of an engine by which the way to an answer is chosen."""

    knows_rows: bool
    """True where a query can name single rows of a block, and reads the blocks that it is given and no other."""
    is_quick: bool
    """True where a statement costs milliseconds and a row of its answer next to nothing."""


class Scan(Protocol):
    """Rows of some live blocks; ``BlockScan``."""

    @property
    def blocks(self) -> Sequence[Block]:
        """The blocks, in the order in which their spans arrived."""

    def table(self, columns: Iterable[str], *, row_id: bool = False) -> exp.Select:
        """Return ``SELECT columns`` of the rows as DuckDB reads them from files."""


class Engine(Protocol):
    """A query engine. Safe to share between threads."""

    @property
    def name(self) -> str:
        """The engine's name for users."""

    @property
    def traits(self) -> Traits:
        """The engine's properties."""

    def relation(self, scan: Scan, columns: Iterable[str], *, row_id: bool) -> exp.Select:
        """Return ``SELECT columns`` of the rows of a scan, those of deleted traces left out.

        ``row_id`` adds the column ``arrival``, which grows in the order in which spans arrived. Raises LimitExceeded
        for more blocks than can be named.
        """

    def run(
        self, query: exp.Query, outputs: pa.Schema | None, check: Callable[[], None], *, large: bool = False
    ) -> pa.Table:
        """Return the answer of a query of such relations, and of Arrow tables (see ``compile.sql.memory_table``).

        ``outputs`` tells the columns and their types where any engine may be asked. ``check`` raises when nobody waits
        any more; it is called all the time, and the query is then given up. ``large`` announces some ten thousand rows.
        Raises NotSupportedByEngine, LimitExceeded and StorageUnavailable.
        """
