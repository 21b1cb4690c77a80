"""The command ``spanlake sql``."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from spanlake.cli.blocks import live_blocks
from spanlake.cli.errors import CommandError, nothing_found
from spanlake.cli.printable import printable
from spanlake.cli.render.terminal import output
from spanlake.cli.render.text import cut
from spanlake.cli.storage import opened
from spanlake.query.engine.sql_session import InvalidStatement, Rows, SqlSession, live_view

_VIEW = ("the spans are in the view spans; DESCRIBE spans lists its columns",)
_PROMPT, _CONTINUED = "spanlake> ", "     ...> "


def run(
    data: Path, objects_url: str, index_url: str, tenant: str, statement: str, limit: int, *, as_json: bool
) -> None:
    """Run a statement, one of standard input, or those of a prompt; raises CommandError and typer.Exit."""
    if os.environ.get("SPANLAKE_URL"):
        typer.echo(f"Reads {objects_url or data} itself: SQL is not asked of SPANLAKE_URL.", err=True)
    with opened(data, objects_url, index_url) as (objects, index):
        blocks = live_blocks(index, tenant)
        if not blocks:
            raise nothing_found(f"tenant {printable(tenant)} has no spans")
        with closing(SqlSession(live_view(objects, blocks), objects)) as session:
            if not statement and sys.stdin.isatty():
                _prompt(session, limit, as_json=as_json)
                return
            text = sys.stdin.read() if statement in {"", "-"} else statement
            if not _print(_run(session, text), limit, as_json=as_json):
                raise nothing_found("the statement returned no rows")


def _run(session: SqlSession, statement: str) -> Rows:
    try:
        return session.run(statement)
    except InvalidStatement as error:
        raise CommandError(_message(error)) from None


def _prompt(session: SqlSession, limit: int, *, as_json: bool) -> None:
    import readline  # noqa: F401, history and editing for input()

    typer.echo("Statements of DuckDB over the view `spans`, each ended by ; (Ctrl-D leaves)", err=True)
    for statement in _statements():
        try:
            _print(session.run(statement), limit, as_json=as_json)
        except InvalidStatement as error:
            typer.echo(_message(error), err=True)


def _statements() -> Iterator[str]:
    lines: list[str] = []
    while True:
        try:
            lines.append(input(_CONTINUED if lines else _PROMPT))
        except EOFError:
            typer.echo(err=True)
            return
        except KeyboardInterrupt:
            lines.clear()
            typer.echo(err=True)
            continue
        if lines[-1].rstrip().endswith(";"):
            yield "\n".join(lines)
            lines.clear()


def _print(found: Rows, limit: int, *, as_json: bool) -> bool:
    """Print rows; False where there are none."""
    try:
        rows = list(islice(found.rows, limit + 1 if limit else None))
    except InvalidStatement as error:
        raise CommandError(_message(error)) from None
    shown = rows[:limit] if limit else rows
    if as_json:
        for row in shown:
            typer.echo(json.dumps(dict(zip(found.columns, row, strict=True)), default=_plain))
    else:
        output().print(_table(found.columns, shown))
    if len(rows) > len(shown):
        typer.echo(f"spanlake: the first {limit:,} rows: --limit 0 prints all", err=True)
    return bool(rows)


def _table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        table.add_column(Text(printable(column)), overflow="fold")
    for row in rows:
        table.add_row(*(Text(cut(_cell(value))) for value in row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return "" if value is None else printable(str(value))


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _message(error: InvalidStatement) -> str:
    text = str(error)
    advice = _VIEW if text.startswith("Catalog Error: Table with name") else ()
    return "\n".join([*(printable(line) for line in text.splitlines() if not _is_guess(line, advice)), *advice])


def _is_guess(line: str, advice: tuple[str, ...]) -> bool:
    """Return True for DuckDB's guess at a table's name, which is of its own catalog."""
    return bool(advice) and line.startswith("Did you mean ")
