"""Remarks on a query that is valid and may mean something else than it says."""

from collections.abc import Iterator

import typer

from spanlake.traceql import TraceQLError, ast, parse
from spanlake.traceql.ast.walk import walk
from spanlake.traceql.printer import print_expression
from spanlake.traceql.types import type_of

_LARGEST = 1_000_000  # nanoseconds: above, a number is meant as nanoseconds more likely than as another unit
_NUMBERS = {ast.Type.INT, ast.Type.FLOAT}


def print_notes(traceql: str) -> None:
    """Print remarks on standard error; a query that cannot be parsed here is left to the server."""
    try:
        query = parse(traceql)
    except TraceQLError:
        return
    for note in dict.fromkeys(notes(query)):
        typer.echo(f"spanlake: {note}", err=True)


def notes(query: ast.Query) -> Iterator[str]:
    """Yield a remark for each comparison of a duration with a number that has no unit."""
    for node in walk(query):
        if isinstance(node, ast.Binary | ast.ScalarFilter) and node.op.is_comparison:
            yield from _unit_note(node)


def _unit_note(node: ast.Binary | ast.ScalarFilter) -> Iterator[str]:
    sides = node.left, node.right
    number = next((side for side in sides if isinstance(side, ast.Static) and side.type in _NUMBERS), None)
    if number is None or not 0 < abs(float(number.value)) < _LARGEST:
        return
    if any(type_of(side) is ast.Type.DURATION for side in sides):
        shown = print_expression(number)
        yield f"a duration without a unit is in nanoseconds: write {shown}ms or {shown}s in place of {shown}"
