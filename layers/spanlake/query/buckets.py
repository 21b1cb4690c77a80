"""Buckets of Tempo's histograms, and the quantiles that it estimates from them.

A bucket is named by a power of two: it holds what is above half of that and not above it. Values below 2, of durations
in nanoseconds, are in none. Source: ``Log2Bucketize`` and ``Log2Quantile`` in Tempo's ``pkg/traceql``.
"""

import math
from collections.abc import Mapping
from math import inf

from sqlglot import exp

from spanlake.traceql import values
from spanlake.traceql.values import Sql

LEAST = 2
_LARGEST = 1023  # 2 to that power is a float, 2 to the next is not


def bucket(number: Sql) -> Sql:
    """The power of a number's bucket, NULL where it is in none."""
    power = exp.TryCast(this=exp.Ceil(this=exp.func("log2", number)), to=exp.DataType.build("INTEGER"))
    return values.case(number.copy() >= exp.Literal.number(LEAST), power)


def limit(power: int) -> float:
    """The largest number in a bucket."""
    return 2.0**power if power <= _LARGEST else inf


def quantile(share: float, counts: Mapping[int, int]) -> float:
    """The estimate of a quantile from the counts of buckets that are not empty, one at least.

    It rises evenly, on a logarithmic scale, from the limit of the bucket before, however far below that is.
    """
    wanted = max(math.ceil(share * sum(counts.values())), 1)
    before, below = min(counts) - 1, 0
    for power in sorted(counts):
        inside = wanted - below
        if inside == counts[power]:
            return limit(power)
        if inside < counts[power]:
            return limit(before) * math.pow(2.0, (power - before) * inside / counts[power])
        before, below = power, below + counts[power]
    return limit(before)
