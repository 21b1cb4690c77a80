"""Counts spans by a key of theirs, and looks up afterwards what the key says of their columns.

To group spans by two numbers takes a third of the time that it takes to note a dozen columns of each group, too. Most
keys are among those of some spans, which are read first; the others are looked for among all spans.
"""

from sqlglot import exp

from spanlake.query.tally import CELL, CELLS, ROWS

_KEY = "key"
_KEYED, _KNOWN, _JOINT, _MISSING, _VALUED = "keyed", "known", "joint", "missing", "valued"


def with_looked_up_rows(query: exp.Select, some: exp.Select, columns: list[str], keys: list[str]) -> exp.Select:
    """Define the table ``rows`` (see ``tally``), given ``cells``, and another query that defines it with some of them.

    The keys, which tell what the columns are, are matched by hashes of 64 bits.
    """
    key = exp.column(_KEY)
    query.with_(_KEYED, as_=_keyed(keys), materialized=False, copy=False)
    counted = exp.select(exp.column(CELL), key, exp.alias_(exp.Count(this=exp.Star()), "n")).from_(_KEYED)
    query.with_(_JOINT, as_=counted.group_by(exp.column(CELL), key), materialized=True, copy=False)
    known = _values(some.with_(_KEYED, as_=_keyed(keys), copy=False), columns)
    query.with_(_KNOWN, as_=known, materialized=True, copy=False)
    missing = exp.select(key).distinct().from_(_JOINT).join(_KNOWN, using=[_KEY], join_type="ANTI")
    query.with_(_MISSING, as_=missing, materialized=True, copy=False)
    looked_for = _values(exp.Select(), columns)
    looked_for.where(exp.In(this=key, query=exp.select(key).from_(_MISSING).subquery()), copy=False)
    every = exp.union(exp.select(exp.Star()).from_(_KNOWN), looked_for, distinct=False)
    query.with_(_VALUED, as_=every, copy=False)
    read = [exp.column(CELL), *(exp.column(name) for name in columns), exp.column("n")]
    return query.with_(ROWS, as_=exp.select(*read).from_(_JOINT).join(_VALUED, using=[_KEY]), copy=False)


def _keyed(keys: list[str]) -> exp.Select:
    key = exp.func("hash", *(exp.column(name) for name in keys))
    return exp.select(exp.Star(), exp.alias_(key, _KEY)).from_(CELLS)


def _values(query: exp.Select, columns: list[str]) -> exp.Select:
    """What the columns are for each key."""
    values = [exp.alias_(exp.AnyValue(this=exp.column(name)), name) for name in columns]
    query.select(exp.column(_KEY), *values, copy=False).from_(_KEYED, copy=False)
    return query.group_by(exp.column(_KEY), copy=False)
