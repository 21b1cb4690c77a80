"""The difference of two traces: operations that both have, or only one of them, and their times.

An operation is all spans of one service and name below the same operations, from the root on.
"""

from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.query.limits import LimitExceeded
from spanlake.query.trace_analysis.tree import TraceTree, doubled, durations_ms
from spanlake.spans.arrow import Array, codes, int64


@dataclass(frozen=True)
class Side:
    """The spans of an operation in one trace."""

    spans: int
    errors: int
    total_ms: float


@dataclass(frozen=True)
class Operation:
    """An operation of either trace; ``parent`` is the id of the operation above it, None of a root's."""

    id: int
    parent: int | None
    service: str
    name: str
    left: Side | None = None
    right: Side | None = None


def difference(left: pa.Table, right: pa.Table, most: int) -> list[Operation]:
    """Return the operations of two traces in the order of their first start in its trace.

    Raises LimitExceeded for more operations than ``most``.
    """
    trees = TraceTree(left), TraceTree(right)
    spans = _together(trees)
    grouped = spans.group_by(["operation", "side"], use_threads=False).aggregate(
        [
            ("above", "min"),
            ("service", "min"),
            ("name", "min"),
            ("at", "min"),
            ("ms", "sum"),
            ("error", "sum"),
            ([], "count_all"),
        ]
    )
    if pc.count_distinct(grouped["operation"]).as_py() > most:
        raise LimitExceeded(f"the traces have more than {most} operations")
    return _operations(grouped.sort_by([("at_min", "ascending"), ("operation", "ascending")]).to_pylist())


def _operations(groups: list[dict[str, Any]]) -> list[Operation]:
    found: dict[int, Operation] = {}
    for group in groups:
        key, side = group["operation"], Side(group["count_all"], group["error_sum"], group["ms_sum"])
        known = found.get(key) or Operation(key, group["above_min"], group["service_min"], group["name_min"])
        found[key] = replace(known, left=side) if group["side"] == 0 else replace(known, right=side)
    return list(found.values())


def _together(trees: tuple[TraceTree, TraceTree]) -> pa.Table:
    """Return the spans of both traces, each with the number of its operation and that of the operation above it."""
    first = trees[0].rows
    shifted = pc.add(trees[1].parent, int64(first))
    parents = pa.concat_arrays([trees[0].parent, shifted])
    joined = {
        name: pa.concat_arrays([getattr(tree, name) for tree in trees]) for name in ("service", "name", "is_error")
    }
    operations = _paths(codes([joined["service"], joined["name"]]).cast(pa.int64()), parents)
    columns = {
        "operation": operations,
        "above": operations.take(parents),
        "side": pa.concat_arrays([pa.repeat(int64(side), tree.rows) for side, tree in enumerate(trees)]),
        "service": joined["service"],
        "name": joined["name"],
        "error": joined["is_error"].cast(pa.int64()),
        "at": pa.concat_arrays([pc.subtract(tree.start, _first(tree.start)) for tree in trees]),
        "ms": pa.concat_arrays([durations_ms(pc.subtract(tree.end, tree.start)) for tree in trees]),
    }
    return pa.table(columns)


def _first(starts: Array) -> Array:
    return pc.min(starts)


def _paths(labels: Array, parents: Array) -> Array:
    """Number the paths of labels from the root to each span; equal paths have equal numbers.

    In each step a number stands for twice as many spans upwards: pairs of numbers are numbered anew.
    """
    found = labels
    for ahead in doubled(parents):
        above = pc.fill_null(found.take(ahead), int64(-1))
        found = codes([found, above]).cast(pa.int64())
    return found
