"""Exemplars: some of the spans that a metrics query counted, each with the id of its trace.

As in Tempo there are at most two for each of as many even parts of the time range as that allows, and one a trace at
most; of the spans there are, those of many series are taken before more of one. Which they are depends on what is
stored alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.series import Exemplar, Labels, Series
from spanlake.query.time_range import Steps
from spanlake.spans.arrow import Array, int64, numbers, scatter
from spanlake.traceql import ast

MOST = 100
TRACE_LABEL = "trace:id"

_PER_PART = 2
SAMPLE = 16, 32_768  # blocks and spans: enough to find exemplars in, but for rare spans


def exemplars_wanted(query: ast.Query, asked: int) -> int:
    """Return the number of exemplars, at most 100: the query's hint, or else the request's, where 0 says nothing.

    The hint is a number, or false for none (Tempo 3.1).
    """
    hint = query.hint("exemplars", ast.Type.INT, ast.Type.BOOL)
    if hint is None or hint.value is True:
        return min(asked or MOST, MOST)
    return min(max(int(hint.value), 0), MOST)


@dataclass(frozen=True)
class ExemplarCandidate:
    """A span that is shown as an exemplar, and what tells its group from others."""

    group: Labels
    start_ns: int
    trace_id: bytes
    value: float | None

    @classmethod
    def of(cls, group: Labels, found: Mapping[str, Any], unit: float) -> "ExemplarCandidate":
        """Return the exemplar that SQL found for a group."""
        value = None if found["value"] is None else found["value"] / unit
        return cls(group, found["start"], found["trace"], value)

    def exemplar(self, labels: Labels) -> Exemplar:
        """Return the exemplar, with these labels."""
        return Exemplar(((TRACE_LABEL, self.trace_id.hex()), *labels), self.start_ns, self.value)


# which of them are shown


def parts(steps: Steps, limit: int) -> Steps:
    """Return the time range in as many parts as there may be exemplars."""
    return Steps(steps.first_ns, steps.last_ns, max(-(-(steps.last_ns - steps.first_ns) // limit), 1))


def choose(groups: Array, starts: Array, traces: Array, steps: Steps, limit: int) -> list[int]:
    """Choose the spans to show; ``groups``, ``starts`` and ``traces`` have a row for each. Returns their rows."""
    wide = parts(steps, max(limit // _PER_PART, 1))
    since = pc.add(pc.subtract(starts, int64(wide.first_ns)), int64(wide.step_ns - 1))
    part = pc.max_element_wise(pc.divide(since, int64(wide.step_ns)), int64(1))
    order = _by_turns(groups, starts, traces)
    columns = (part.take(order), traces.dictionary_encode().indices.take(order), order)
    room = dict.fromkeys(pc.unique(part).to_pylist(), _PER_PART)
    shown: set[int] = set()
    chosen: list[int] = []
    for at, trace, row in zip(*(column.to_pylist() for column in columns), strict=True):
        if not room or len(chosen) == limit:
            break
        if at in room and trace not in shown:
            shown.add(trace)
            chosen.append(row)
            room[at] -= 1
            if not room[at]:
                del room[at]
    return chosen


def _by_turns(groups: Array, starts: Array, traces: Array) -> Array:
    """Return the first span of each group, then the second of each, by the ids of traces, which are random."""
    table = pa.table({"trace": traces, "start": starts, "group": groups})
    ranked = pc.sort_indices(table, [(name, "ascending") for name in table.column_names]).cast(pa.int64())
    of_ranked = groups.take(ranked)
    grouped = pc.array_sort_indices(of_ranked).cast(pa.int64())
    of_grouped = of_ranked.take(grouped)
    turns = pc.subtract(numbers(len(ranked)), pc.index_in(of_grouped, value_set=of_grouped).cast(pa.int64()))
    return ranked.take(pc.array_sort_indices(scatter(turns, grouped, len(ranked))))


def attached(series: Iterable[Series], steps: Steps) -> list[Series]:
    """Return the series with those of their exemplars at whose time they have a value.

    That value stands in for an exemplar without one.
    """
    return [replace(one, exemplars=tuple(_shown(one, steps))) if one.exemplars else one for one in series]


def reduced(series: Sequence[Series], steps: Steps, limit: int) -> list[Series]:
    """Return the series with at most ``limit`` exemplars in all, one a trace, as ``choose`` takes them."""
    shown = [(number, exemplar) for number, one in enumerate(series) for exemplar in one.exemplars]
    if not shown:
        return list(series)
    groups, starts = pa.array([number for number, _ in shown]), pa.array([each.time_ns for _, each in shown])
    traces = pa.array([str(dict(each.labels)[TRACE_LABEL]) for _, each in shown])
    kept = [shown[row] for row in sorted(choose(groups, starts, traces, steps, limit))]
    return [
        replace(one, exemplars=tuple(each for of, each in kept if of == number)) if one.exemplars else one
        for number, one in enumerate(series)
    ]


def _shown(one: Series, steps: Steps) -> Iterable[Exemplar]:
    for exemplar in sorted(one.exemplars, key=lambda exemplar: exemplar.time_ns):
        value = one.values[steps.position(exemplar.time_ns)]
        if value is not None:
            yield exemplar if exemplar.value is not None else replace(exemplar, value=value)
