"""The catalog of attributes with their types, and how many different values they have."""

from collections import defaultdict
from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile.fields import span_column
from spanlake.query.engine.session import Session
from spanlake.query.scan.blocks import BlockScan
from spanlake.query.selected_spans import SelectedSpans
from spanlake.query.tag_names import SCOPE_NAMES
from spanlake.query.time_range import TimeRange

SAMPLED_SPANS = 300_000
_SAMPLED_BLOCKS = 32
_MOST_COUNTED = 600  # columns; each is read and needs memory of its own


@dataclass(frozen=True)
class CatalogAttribute:
    """An attribute: scope and name as TraceQL has them, and the types of its values.

    ``distinct`` estimates the number of different values among the sampled spans; None where it was not counted, as for
    attributes of events and links.
    """

    scope: str
    name: str
    types: tuple[str, ...]
    distinct: int | None


@dataclass(frozen=True)
class Catalog:
    """The attributes of a range by scope and name, and the number of spans in which values were counted."""

    attributes: tuple[CatalogAttribute, ...]
    sampled_spans: int


def catalog(session: Session, source: BlockScan, when: TimeRange) -> Catalog:
    """Return the attributes of the days of a range. Raises LimitExceeded."""
    types: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for entry in source.catalog:
        types[SCOPE_NAMES[entry.scope], entry.key].add(entry.type)
    sample = source.sampled(_SAMPLED_BLOCKS, SAMPLED_SPANS) if source.blocks else source
    counts = _counted(session, sample, when) if source.blocks else {}
    found = (
        CatalogAttribute(scope, name, tuple(sorted(of)), counts.get((scope, name)))
        for (scope, name), of in sorted(types.items())
    )
    return Catalog(tuple(found), sample.spans)


def _counted(session: Session, sample: BlockScan, when: TimeRange) -> dict[tuple[str, str], int]:
    """Return the number of different values by scope and name; that of the type which has most."""
    session.charge(sample.blocks)
    columns = [column for found in sample.known.columns.values() for column in found][:_MOST_COUNTED]
    if not columns:
        return {}
    select: list[exp.Expr] = [
        exp.alias_(exp.func("approx_count_distinct", span_column(column.name)), f"c{number}")
        for number, column in enumerate(columns)
    ]
    (row,) = session.run(SelectedSpans(when).query(session, sample, select)).to_pylist()
    counts: dict[tuple[str, str], int] = {}
    for column, count in zip(columns, row.values(), strict=True):
        key = (SCOPE_NAMES[column.scope.value], column.key)
        counts[key] = max(counts.get(key, 0), count)
    return counts
