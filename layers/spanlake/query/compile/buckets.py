"""Buckets of histograms: powers of two.

A bucket is named by its largest number: the smallest power of two that is not below the value. Zero has a bucket of its
own, and negative numbers those of the negative powers of two.
"""

from math import inf

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.sql import Sql

_OFFSET = 2_000  # more than the power of any float, so that the sign of a code is that of its bucket
_LARGEST = 1023  # 2 to that power is a float, 2 to the next is not


def bucket(number: Sql) -> Sql:
    """The code of a float's bucket, NULL of NULL."""
    size = exp.Abs(this=number.copy())
    above = exp.Anonymous(this="power_above", expressions=[size])
    below = exp.Anonymous(this="power_below", expressions=[size.copy()])
    offset = exp.Literal.number(_OFFSET)
    zero = exp.Literal.number(0)
    negative = exp.Neg(this=exp.paren(below + offset.copy()))
    ifs = [
        exp.If(this=number.copy() > zero, true=above + offset),
        exp.If(this=number.copy() < zero.copy(), true=negative),
        exp.If(this=sql.not_null(number.copy()), true=zero.copy()),
    ]
    return exp.Case(ifs=ifs)


def limit(code: int) -> float:
    """The largest number in a bucket."""
    if code == 0:
        return 0.0
    power = abs(code) - _OFFSET
    size = 2.0**power if power <= _LARGEST else inf
    return size if code > 0 else -size
