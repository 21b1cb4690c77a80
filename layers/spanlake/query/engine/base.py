"""Queries of blocks that run outside of this process, by an engine that reads more than a process can.

Everything else stays what it is: the same trees are asked, what comes back are the same tables, and what is made of
them, and of the few spans that are looked at one by one, is made here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pyarrow as pa
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

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

    def rows(self, blocks: Sequence[Block], columns: Sequence[str], *, arrival: bool) -> exp.Select:
        """``SELECT columns`` of the blocks' spans, those of deleted traces left out.

        ``arrival`` adds the column of that name. Raises LimitExceeded for more blocks than can be named.
        """

    def table(self, query: exp.Query, schema: pa.Schema, check: Callable[[], None]) -> pa.Table:
        """The answer of a query of such rows, as a table with the schema, which names all its columns.

        ``check`` raises when nobody waits any more; it is called all the time, and the query is then given up. Raises
        Uncovered, LimitExceeded and StorageUnavailable.
        """


@dataclass(frozen=True)
class OffloadedBlocks:
    """An engine, and the types of the columns that blocks can have."""

    engine: Engine
    types: dict[str, str]  # DuckDB's names

    def alike(self, query: exp.Query) -> str:
        """DuckDB's text of a query whose answer has the columns and types of this one's, and no rows."""
        named = {column.name for column in query.find_all(exp.Column)}
        read = [exp.alias_(exp.cast(exp.Null(), type_), name) for name, type_ in self.types.items() if name in named]

        found = query.copy()
        for table in list(filter(is_offloaded, found.find_all(exp.Table))):
            select = table.parent_select
            assert select is not None
            select.set("where", None)  # it may name columns that only the engine has
            none = exp.select(*(column.copy() for column in read)).where(exp.false(), copy=False)
            table.replace(none.subquery("nothing", copy=False))
        return found.sql(DuckDB, copy=False)


_MARK = "spanlake.outside"


def mark_offloaded(table: exp.Table) -> exp.Table:
    """The table of an engine, so that it is known again."""
    table.meta[_MARK] = True
    return table


def is_offloaded(node: exp.Expr) -> bool:
    """Returns True for a node that is the table of an engine."""
    return isinstance(node, exp.Table) and bool(node.meta.get(_MARK))
