"""Exemplars: some of the spans that a metrics query counted, each with the id of its trace.

As in Tempo there are at most two for each of as many even parts of the time range as that allows, and one a trace at
most; of the spans there are, those of many series are taken before more of one. Which they are depends on what is
stored alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from zlib import crc32

from sqlglot import exp

from spanlake.query.series import Exemplar, Labels, Series
from spanlake.query.steps import Steps
from spanlake.traceql.tree import Query, Type

MOST = 100
TRACE_LABEL = "trace:id"
START, TRACE = "exemplar_start", "exemplar_trace"
FOUND = "exemplar"

_PER_PART = 2
SAMPLE = 16, 32_768  # blocks and spans: enough to find exemplars in, but for rare spans


def exemplars_wanted(query: Query, asked: int) -> int:
    """How many exemplars to give, 100 at most: what the query's hint says, or the request, where 0 says nothing.

    The hint is a number, or false for none (Tempo 3.1).
    """
    hint = query.hint("exemplars", Type.INT, Type.BOOL)
    if hint is None or hint.value is True:
        return min(asked or MOST, MOST)
    return min(max(int(hint.value), 0), MOST)


# what SQL finds


def first_of_group(value: exp.Expr | None, *tests: exp.Expr) -> exp.Expr:
    """The aggregate FOUND: the first span of a group that passes tests. It has the columns START and TRACE, and a
    value to show."""
    members = {"start": exp.column(START), "trace": exp.column(TRACE), "value": value or exp.Null()}
    parts = [exp.PropertyEQ(this=exp.to_identifier(name), expression=sql) for name, sql in members.items()]
    first: exp.Expr = exp.Min(this=exp.Struct(expressions=parts))
    if tests:
        first = exp.Filter(this=first, expression=exp.Where(this=exp.and_(*tests)))
    return exp.alias_(first, FOUND)


@dataclass(frozen=True)
class Candidate:
    """A span that can be an exemplar, and what tells its group from others."""

    group: Labels
    start_ns: int
    trace_id: bytes
    value: float | None

    @classmethod
    def of(cls, group: Labels, found: Mapping[str, Any], unit: float) -> "Candidate":
        """The one that the aggregate ``first_of_group`` found."""
        value = None if found["value"] is None else found["value"] / unit
        return cls(group, found["start"], found["trace"], value)

    def exemplar(self, labels: Labels) -> Exemplar:
        """Itself, once it is chosen."""
        return Exemplar(((TRACE_LABEL, self.trace_id.hex()), *labels), self.start_ns, self.value)


# which of them are shown


def parts(steps: Steps, limit: int) -> Steps:
    """The time range in as many parts as there may be exemplars."""
    return Steps(steps.first_ns, steps.last_ns, max(-(-(steps.last_ns - steps.first_ns) // limit), 1))


def choose(found: Iterable[Candidate], steps: Steps, limit: int) -> list[Candidate]:
    """Those that are shown."""
    wide = parts(steps, max(limit // _PER_PART, 1))
    left: dict[int, int] = {}
    traces: set[bytes] = set()
    chosen: list[Candidate] = []
    for one in _by_turns(found):
        part = max(wide.position(one.start_ns), 1)
        room = left.setdefault(part, _PER_PART)
        if room and one.trace_id not in traces:
            left[part] -= 1
            traces.add(one.trace_id)
            chosen.append(one)
    return chosen[:limit]


def _by_turns(found: Iterable[Candidate]) -> list[Candidate]:
    """The first of each group, then the second of each, in an order that looks random."""

    def shuffled(one: Candidate) -> tuple[int, bytes, int]:
        return crc32(one.trace_id), one.trace_id, one.start_ns

    grouped = sorted(found, key=lambda one: (repr(one.group), shuffled(one)))
    turns = [
        (turn, shuffled(one), n, one)
        for n, (_, group) in enumerate(groupby(grouped, key=lambda one: repr(one.group)))
        for turn, one in enumerate(group)
    ]
    return [one for _, _, _, one in sorted(turns, key=lambda entry: entry[:3])]


def attached(series: Iterable[Series], steps: Steps) -> list[Series]:
    """The series with those of their exemplars at whose time they have a value, which stands in where one has none."""
    return [replace(one, exemplars=tuple(_shown(one, steps))) if one.exemplars else one for one in series]


def _shown(one: Series, steps: Steps) -> Iterable[Exemplar]:
    for exemplar in sorted(one.exemplars, key=lambda exemplar: exemplar.time_ns):
        value = one.values[steps.position(exemplar.time_ns)]
        if value is not None:
            yield exemplar if exemplar.value is not None else replace(exemplar, value=value)
