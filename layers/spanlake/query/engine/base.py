"""Engines that read more blocks than this process can.

The same queries are asked, and the same tables come back; what is made of them, and of the few spans that are looked at
one by one, is made in this process.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import pyarrow as pa
from sqlglot import exp

from spanlake.store.blocks.block import Block


class NotSupportedByEngine(Exception):  # noqa: N818
    """The engine has no words for a query; the message says for what."""


class Engine(Protocol):
    """A query engine outside of the process; safe to share between threads."""

    @property
    def name(self) -> str:
        """The engine's name for users."""

    @property
    def local_limit_bytes(self) -> int:
        """The bytes that blocks may have together before it is better to read them there."""

    def relation(self, blocks: Sequence[Block], columns: Sequence[str], *, row_id: bool) -> exp.Select:
        """``SELECT columns`` of the blocks' spans, those of deleted traces left out.

        ``row_id`` adds the column ``arrival``. Raises LimitExceeded for more blocks than can be named.
        """

    def run(self, query: exp.Select, outputs: pa.Schema, check: Callable[[], None]) -> pa.Table:
        """The answer of a query of such relations, as a table with the schema, which names all its columns.

        ``check`` raises when nobody waits any more; it is called all the time, and the query is then given up. Raises
        NotSupportedByEngine, LimitExceeded and StorageUnavailable.
        """
