"""A view of the live spans for DuckDB outside of a query's session: all blocks of the index, without deleted traces."""

from collections.abc import Sequence

from sqlglot import exp

from spanlake.query.compile.sql import id_literal
from spanlake.store.blocks.block import Block
from spanlake.store.objects.base import Objects

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
