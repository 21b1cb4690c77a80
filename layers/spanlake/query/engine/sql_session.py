"""Statements of a user's own in SQL, and the view of the live spans that they read: without deleted traces."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile.sql import id_literal
from spanlake.store.blocks.block import Block
from spanlake.store.objects.base import Objects

_BATCH = 1000


class InvalidStatement(Exception):  # noqa: N818
    """DuckDB refused a statement; ``str()`` is its message."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The result of a statement: names of columns, and rows as they are read."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


class SqlSession:
    """A DuckDB instance of the user's own: it may read and write files as the user may."""

    def __init__(self, view: str, objects: Objects) -> None:
        """Make the view by its statement; raises StoreError when S3 cannot be read."""
        self._connection = duckdb.connect(":memory:")
        if (remote := _credentials(objects)) is not None:
            remote.prepare(self._connection)
            remote.refresh(self._connection)
        self._connection.execute(view)

    def run(self, statement: str) -> Rows:
        """Run a statement; raises InvalidStatement."""
        try:
            result = self._connection.execute(statement)
            columns = tuple(column[0] for column in result.description or ())
            return Rows(columns, self._rows(result))
        except duckdb.Error as error:
            raise InvalidStatement(str(error)) from None

    def arrow(self, statement: str) -> pa.Table:
        """Run a statement and return its result whole; raises InvalidStatement."""
        try:
            return self._connection.execute(statement).to_arrow_table()
        except duckdb.Error as error:
            raise InvalidStatement(str(error)) from None

    def _rows(self, result: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
        try:
            while batch := result.fetchmany(_BATCH):
                yield from batch
        except duckdb.Error as error:
            raise InvalidStatement(str(error)) from None

    def close(self) -> None:
        """Release memory and files."""
        self._connection.close()


def _credentials(objects: Objects) -> Any:
    from spanlake.store.objects.local import LocalObjects

    if isinstance(objects, LocalObjects):
        return None
    from spanlake.query.engine.httpfs import HttpfsCredentials  # imports botocore
    from spanlake.store.objects.s3 import S3Objects

    assert isinstance(objects, S3Objects)
    return HttpfsCredentials(objects)


VIEW = "spans"
_FILE = "filename"  # DuckDB's read_parquet adds this column for the file's name


def live_view(objects: Objects, blocks: Sequence[Block]) -> str:
    """Build the DuckDB statement that makes the view of some blocks, at least one."""
    hiding = [block for block in blocks if block.hidden]
    options = ["hive_partitioning", "union_by_name"] + [_FILE] * bool(hiding)
    files = exp.Array(expressions=[exp.Literal.string(objects.uri(block.path)) for block in blocks])
    true = [exp.EQ(this=exp.column(option), expression=exp.true()) for option in options]
    rows = exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[files, *true]))
    star = exp.Star(except_=[exp.to_identifier(_FILE)]) if hiding else exp.Star()
    tests = [_is_not_deleted(objects.uri(block.path), block.hidden) for block in hiding]
    select = exp.select(star).from_(rows).where(*tests)
    view = exp.Create(this=exp.to_table(VIEW), kind="VIEW", replace=True, expression=select)
    return f"{view.sql(dialect='duckdb')};"


def _is_not_deleted(uri: str, trace_ids: frozenset[bytes]) -> exp.Expr:
    in_file = exp.EQ(this=exp.column(_FILE), expression=exp.Literal.string(uri))
    deleted = exp.In(this=exp.column("trace_id"), expressions=[id_literal(each) for each in sorted(trace_ids)])
    return exp.not_(exp.and_(in_file, deleted))
