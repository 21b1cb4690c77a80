"""The command ``spanlake blocks``: lists the live blocks for programs that read them without spanlake."""

import json
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import typer

from spanlake.cli.errors import CommandError, nothing_found
from spanlake.cli.storage import opened
from spanlake.query.engine.sql_session import live_view
from spanlake.store.blocks.block import Block
from spanlake.store.days import MAX_NS, MIN_NS
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects


class Form(StrEnum):
    """The formats of the list of blocks."""

    LINES = "lines"
    JSON = "json"
    SQL = "sql"


def run(data: Path, objects_url: str, index_url: str, tenant: str, form: Form, output: Path | None) -> None:
    """Write the live blocks of a tenant, or of all; raises CommandError, and typer.Exit when there are none."""
    with opened(data, objects_url, index_url) as (objects, index):
        blocks = live_blocks(index, tenant)
        written = _WRITERS[form](objects, blocks) if blocks else ""
    if not blocks:
        raise nothing_found("there are no blocks")
    if output is None:
        typer.echo(written)
    else:
        _replace(output, f"{written}\n")


def live_blocks(index: Index, tenant: str) -> list[Block]:
    """Return the live blocks of a tenant, or of all, by their paths."""
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


_WRITERS: dict[Form, Callable[[Objects, Sequence[Block]], str]] = {
    Form.LINES: _lines,
    Form.JSON: _json,
    Form.SQL: live_view,
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
