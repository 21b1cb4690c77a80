"""Buckets of Tempo's histograms, and the quantiles that it estimates from them.

A bucket is named by a power of two: it holds what is above half of that and not above it. Values below 2, of durations
in nanoseconds, are in none. Source: ``Log2Bucketize`` and ``Log2Quantile`` in Tempo's ``pkg/traceql``.
"""

from collections.abc import Iterable, Iterator
from math import inf

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.spans.arrays import Array, float64, int64, where
from spanlake.traceql import values
from spanlake.traceql.values import Sql

LEAST = 2
_LARGEST = 1023  # 2 to that power is a float, 2 to the next is not


def bucket(number: Sql) -> Sql:
    """The power of a number's bucket, NULL where it is in none."""
    logarithm = exp.Anonymous(this="log2", expressions=[number])  # sqlglot's own is LOG(2, number), which takes longer
    power = exp.TryCast(this=exp.Ceil(this=logarithm), to=exp.DataType.build("INTEGER"))
    return values.case(number.copy() >= exp.Literal.number(LEAST), power)


def limit(power: int) -> float:
    """The largest number in a bucket."""
    return 2.0**power if power <= _LARGEST else inf


def estimates(powers: Array, counts: Array, shares: Iterable[float], scale: float = 1.0) -> Iterator[Array]:
    """The estimates of quantiles (float64), for each share those of all histograms.

    A histogram is a list of the powers of its buckets and one of how many values each holds, which is never 0 and, for
    a scale of at least 1, taken for so many times as much. The estimate rises evenly, on a logarithmic scale, from the
    limit of the bucket before, however far below that is.
    """
    of, power = pc.list_parent_indices(counts), powers.flatten().cast(pa.int64())
    in_order = pc.array_sort_indices(pc.add(pc.multiply(of, int64(_LARGEST + 2)), power))
    power = power.take(in_order).cast(pa.float64())
    count = counts.flatten().take(in_order).cast(pa.float64())
    count = pc.multiply(count, float64(scale)).cast(pa.int64(), safe=False)
    running = pc.cumulative_sum(count)
    through_last = running.take(_ends(counts))
    through_before = pa.concat_arrays([pa.array([0], pa.int64()), through_last])
    total = pc.subtract(through_last, through_before.slice(0, len(counts)))
    through = pc.subtract(running, through_before.take(of))
    below = pc.subtract(through, count)
    neighbour = pa.concat_arrays([power.slice(0, min(1, len(power))), power.slice(0, max(len(power) - 1, 0))])
    before = pc.if_else(pc.equal(below, int64(0)), pc.subtract(power, float64(1.0)), neighbour)
    for share in shares:
        wanted = pc.ceil(pc.multiply(total.cast(pa.float64()), float64(share))).cast(pa.int64())
        wanted = pc.min_element_wise(pc.max_element_wise(wanted, int64(1)), total)
        reached = wanted.take(of)
        chosen = where(pc.and_(pc.less(below, reached), pc.greater_equal(through, reached)))  # one of each histogram
        beyond = pc.subtract(wanted, below.take(chosen)).cast(pa.float64())
        risen = pc.divide(beyond, count.take(chosen).cast(pa.float64()))
        start = before.take(chosen)
        yield pc.multiply(_two_to(start), _two_to(pc.multiply(pc.subtract(power.take(chosen), start), risen)))


def _ends(lists: Array) -> Array:
    """Where the last item of each list is among the items of all."""
    return pc.subtract(pc.cumulative_sum(pc.list_value_length(lists).cast(pa.int64())), int64(1))


def _two_to(exponents: Array) -> Array:
    return pc.power(float64(2.0), exponents)
