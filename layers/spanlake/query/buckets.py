"""Buckets of Tempo's histograms, and the quantiles that it estimates from them.

A bucket is named by a power of two: it holds what is above half of that and not above it. Values below 2, of durations
in nanoseconds, are in none. Source: ``Log2Bucketize`` and ``Log2Quantile`` in Tempo's ``pkg/traceql``.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
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


class Histogram:
    """The counts of buckets, one of them at least not 0."""

    def __init__(self, counts: Mapping[int, int]) -> None:
        self._powers = sorted(counts)
        self._through = list(accumulate(counts[power] for power in self._powers))  # those of the buckets before too

    def quantile(self, share: float) -> float:
        """The estimate of a quantile.

        It rises evenly, on a logarithmic scale, from the limit of the bucket before, however far below that is.
        """
        powers, through = self._powers, self._through
        wanted = max(math.ceil(share * through[-1]), 1)
        place = bisect_left(through, wanted)
        if place == len(powers) or through[place] == wanted:
            return limit(powers[min(place, len(powers) - 1)])
        before, below = (powers[place - 1], through[place - 1]) if place else (powers[0] - 1, 0)
        risen = (wanted - below) / (through[place] - below)
        return limit(before) * math.pow(2.0, (powers[place] - before) * risen)
