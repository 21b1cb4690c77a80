"""Selects spans of one trace: those that a spanset filter finds, and their ancestors where they are asked for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import pyarrow as pa

from spanlake.query.engine.session import Session
from spanlake.query.plan import plan_search
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.search import Search
from spanlake.query.search_results import SpanResult
from spanlake.query.trace_search import search
from spanlake.traceql import ast
from spanlake.traceql.errors import Unsupported

_Key: TypeAlias = tuple[bytes, int, str]
_KEY_COLUMNS = ("span_id", "start_time_unix_nano", "name")
_ALL = ast.Static(ast.Type.BOOL, value=True)
_FIRST_NS, _LAST_NS = 0, 2**63 - 1


@dataclass(frozen=True)
class SpanFilter:
    """The spans of a trace that are wanted; ``keep_hierarchy`` adds all ancestors of each."""

    query: ast.Query
    condition: ast.SpansetFilter
    keep_hierarchy: bool = False

    @classmethod
    def of(cls, query: ast.Query, *, keep_hierarchy: bool) -> "SpanFilter | None":
        """Return the filter of a checked query; None where it finds every span.

        Raises Unsupported for a query that is more than one spanset filter.
        """
        stages = query.body.stages if isinstance(query.body, ast.Pipeline) else ()
        if len(stages) != 1 or not isinstance(stages[0], ast.SpansetFilter):
            raise Unsupported("the spans of a trace are selected by one spanset filter, `{ … }`, alone", query.text)
        return None if stages[0].condition == _ALL else cls(query, stages[0], keep_hierarchy)

    def rows(self, session: Session, source: BlockScan, trace_id: bytes, spans: pa.Table) -> list[int]:
        """Return the row numbers of the wanted spans among all spans of the trace."""
        found = {(span.span_id, span.start_ns, span.name) for span in self._found(session, source, trace_id)}
        keys = list(_keys(spans))
        rows = [row for row, key in enumerate(keys) if key in found]
        return sorted(_with_ancestors(spans, rows)) if self.keep_hierarchy else rows

    def _found(self, session: Session, source: BlockScan, trace_id: bytes) -> Iterator[SpanResult]:
        is_trace = ast.Binary(
            ast.BinaryOperator.EQUAL,
            ast.IntrinsicField(ast.Intrinsic.TRACE_ID),
            ast.Static(ast.Type.STRING, trace_id.hex()),
        )
        condition = ast.Binary(ast.BinaryOperator.AND, is_trace, self.condition.condition)
        query = replace(self.query, body=ast.Pipeline((ast.SpansetFilter(condition),)))
        wanted = Search(plan_search(query), _FIRST_NS, _LAST_NS, limit=1, spans=0)
        for trace in search(session, source, wanted):
            for span_set in trace.sets:
                yield from span_set.spans


def _keys(spans: pa.Table) -> Iterable[_Key]:
    return zip(*(spans[name].to_pylist() for name in _KEY_COLUMNS), strict=True)


def _with_ancestors(spans: pa.Table, rows: Iterable[int]) -> set[int]:
    """Return the rows of spans and of all their ancestors."""
    ids: list[Any] = spans["span_id"].to_pylist()
    parents: list[Any] = spans["parent_span_id"].to_pylist()
    by_id: dict[bytes, list[int]] = {}
    for row, span_id in enumerate(ids):
        by_id.setdefault(span_id, []).append(row)
    return set(_climbed(rows, by_id, parents))


def _climbed(rows: Iterable[int], by_id: Mapping[bytes, list[int]], parents: list[Any]) -> Iterator[int]:
    """Yield each row once, and each that is reached from one by parent ids."""
    seen: set[int] = set()
    waiting = list(rows)
    while waiting:
        row = waiting.pop()
        if row not in seen:
            seen.add(row)
            yield row
            waiting += by_id.get(parents[row], ())
