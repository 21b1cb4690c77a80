"""The command ``spanlake blocks``: lists the live blocks for programs that read them without spanlake."""

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer
from sqlglot import exp

from spanlake.cli.errors import CommandError, nothing_found
from spanlake.cli.storage import opened
from spanlake.query.compile.sql import id_literal
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects

_VIEW = "spans"
_FILE = "filename"  # DuckDB's read_parquet adds this column for the file's name


class Form(StrEnum):
    """The formats of the list of blocks."""

    LINES = "lines"
    JSON = "json"
    SQL = "sql"


def run(data: Path, objects_url: str, index_url: str, tenant: str, form: Form, output: Path | None) -> None:
    """Write the live blocks of a tenant, or of all; raises CommandError, and typer.Exit when there are none."""
    with opened(data, objects_url, index_url) as (objects, index):
        blocks = _live(index, tenant)
        written = _WRITERS[form](objects, blocks) if blocks else ""
    if not blocks:
        raise nothing_found("there are no blocks")
    if output is None:
        typer.echo(written)
    else:
        _replace(output, f"{written}\n")


def _live(index: Index, tenant: str) -> list[Block]:
    tenants = [tenant] if tenant else index.tenants()
    blocks = [block for each in tenants for block in index.find(each, MIN_NS, MAX_NS)]
    return sorted(blocks, key=lambda block: block.path)


def _lines(objects: Objects, blocks: Sequence[Block]) -> str:
    return "\n".join(objects.uri(block.path) for block in blocks)


def _json(objects: Objects, blocks: Sequence[Block]) -> str:
    return json.dumps([_described(objects, block) for block in blocks], indent=1)


def _described(objects: Objects, block: Block) -> dict[str, Any]:
    return {
        "uri": objects.uri(block.path),
        "tenant": block.tenant,
        "date": block.date.isoformat(),
        "level": block.level,
        "spans": block.spans,
        "bytes": block.size,
        "start_time_unix_nano": block.start_ns,
        "end_time_unix_nano": block.end_ns,
        "deleted_traces": sorted(trace_id.hex() for trace_id in block.hidden),
    }


def _sql(objects: Objects, blocks: Sequence[Block]) -> str:
    """Build the DuckDB statement that makes a view of the live spans."""
    hiding = [block for block in blocks if block.hidden]
    options = ["hive_partitioning", "union_by_name"] + [_FILE] * bool(hiding)
    files = exp.Array(expressions=[exp.Literal.string(objects.uri(block.path)) for block in blocks])
    true = [exp.EQ(this=exp.column(option), expression=exp.true()) for option in options]
    rows = exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[files, *true]))
    star = exp.Star(except_=[exp.to_identifier(_FILE)]) if hiding else exp.Star()
    tests = [_is_not_deleted(objects.uri(block.path), block.hidden) for block in hiding]
    select = exp.select(star).from_(rows).where(*tests)
    view = exp.Create(this=exp.to_table(_VIEW), kind="VIEW", replace=True, expression=select)
    return f"{view.sql(dialect='duckdb')};"


def _is_not_deleted(uri: str, trace_ids: frozenset[bytes]) -> exp.Expr:
    in_file = exp.EQ(this=exp.column(_FILE), expression=exp.Literal.string(uri))
    deleted = exp.In(this=exp.column("trace_id"), expressions=[id_literal(each) for each in sorted(trace_ids)])
    return exp.not_(exp.and_(in_file, deleted))


_WRITERS: dict[Form, Callable[[Objects, Sequence[Block]], str]] = {
    Form.LINES: _lines,
    Form.JSON: _json,
    Form.SQL: _sql,
}


def _replace(file: Path, content: str) -> None:
    """Write a file so that readers see the old content or the new one."""
    partial = file.with_name(f".{file.name}.partial")
    try:
        partial.write_text(content)
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise CommandError(f"{file} cannot be written: {error.strerror or error}") from None
