"""Counts columns by keys, and looks up afterwards what each key says of them.

Columns that depend on each other have few different rows. To group spans by a hash of each such set of columns takes a
third of the time that it takes to group them by the columns themselves. What the columns are for a hash is known of
most from a sample; the spans that tell of the others are read again. Two rows of a column set have the same hash of 64
bits once among billions of different ones.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.family import as_array
from spanlake.query.tally import CELL, CELLS, Counter, Tally, parsed, text
from spanlake.spans.arrays import Array
from spanlake.traceql.relation import ARRIVAL

LookUp = Callable[[Array, Sequence[str]], pa.Table]
"""Reads columns of the spans with these ``arrival``."""

_JOINT, _WITNESSES = "joint", "witnesses"
_KEY = "key_{n}"
_MOST_UNKNOWN = 1 << 17  # spans that are read again

_COUNTS = """
    SELECT {n} AS number, key_{n} AS key, cell, SUM(n) AS n FROM joint WHERE NOT key_{n} IS NULL GROUP BY key_{n}, cell
"""
_COUNTED = """
    SELECT which, value, cell, CAST(SUM(n) AS BIGINT) AS n FROM counts JOIN texts USING (number, key)
    WHERE NOT value IS NULL GROUP BY which, value, cell
"""


@dataclass(frozen=True)
class ColumnSet:
    """Some columns, and the keys that they depend on: themselves, or others."""

    columns: Sequence[str]
    keys: Sequence[str]


@dataclass(frozen=True)
class Keyed:
    """Column sets of a table ``cells`` (see ``tally``) that has the column ``arrival``, too.

    Those of one list are counted together, for which their rows should repeat.
    """

    sets: Sequence[Sequence[ColumnSet]]
    look_up: LookUp

    def count(self, session: Session, query: exp.Select) -> pa.Table:
        """Count the keys of the table that the query defines, for what follows."""
        joint = session.table(self._joint(query))
        session.register(_JOINT, joint)
        return joint

    def completed(self, session: Session, joint: pa.Table, witnesses: pa.Table) -> pa.Table | None:
        """Rows that tell of all keys that were counted, given rows that tell of most; None where they lack too much.

        A row that was added is NULL where nothing was lacking.
        """
        session.register(_WITNESSES, witnesses)
        keys = [exp.alias_(_hash(one.keys), _KEY.format(n=n)) for n, one in enumerate(self._every)]
        known = session.table(exp.select(*keys).from_(_WITNESSES))
        unknown = [_unknown(joint[key], known[key], joint[ARRIVAL]) for key in known.column_names]
        arrivals = pc.unique(pa.concat_arrays(unknown))
        if len(arrivals) > _MOST_UNKNOWN:
            return None
        if len(arrivals) == 0:
            return witnesses
        lacking = [one for one, found in zip(self._every, unknown, strict=True) if len(found)]
        names = {name for one in lacking for name in (*one.columns, *one.keys)}
        found = self.look_up(arrivals, [name for name in witnesses.column_names if name in names])
        every = pa.concat_tables([witnesses, found], promote_options="default")
        session.register(_WITNESSES, every)
        return every

    def tallies(self, counter: Counter) -> Iterator[Tally]:
        """The tallies of all columns, once what tells of their keys is complete.

        Raises LimitExceeded for too many values or points.
        """
        columns = [name for one in self._every for name in one.columns]
        return counter.tops(self._counted(columns), dict(enumerate(columns)))

    @property
    def _every(self) -> Iterator[ColumnSet]:
        return chain.from_iterable(self.sets)

    def _joint(self, query: exp.Select) -> exp.Select:
        keys = [exp.alias_(_hash(one.keys), _KEY.format(n=n)) for n, one in enumerate(self._every)]
        keyed = exp.select(exp.column(CELL), exp.column(ARRIVAL), *keys).from_(CELLS)
        names = (exp.column(key.alias) for key in keys)
        sets = [exp.Tuple(expressions=[exp.column(CELL), *islice(names, len(some))]) for some in self.sets]
        query = query.select(
            exp.column(CELL),
            *(exp.column(key.alias) for key in keys),
            exp.alias_(exp.Count(this=exp.Star()), "n"),
            exp.alias_(exp.Min(this=exp.column(ARRIVAL)), ARRIVAL),
            copy=False,
        ).from_(keyed.subquery("keyed", copy=False), copy=False)
        query.set("group", exp.Group(grouping_sets=[exp.GroupingSets(expressions=sets)]))
        return query

    def _counted(self, columns: Sequence[str]) -> exp.Select:
        query = exp.Select().with_("counts", as_=self._of_each(_COUNTS), copy=False)
        which = {name: number for number, name in enumerate(columns)}
        texts = _union([_texts(n, one, [which[name] for name in one.columns]) for n, one in enumerate(self._every)])
        query.with_("texts", as_=texts, copy=False)
        query.with_("counted", as_=parsed(_COUNTED), materialized=True, copy=False)
        return query.with_("written", as_=parsed("SELECT * FROM counted"), copy=False)

    def _of_each(self, query: str) -> exp.Query:
        return _union([parsed(query.format(n=n)) for n, _ in enumerate(self._every)])


def _unknown(keys: Array, known: Array, arrivals: Array) -> Array:
    """The arrival of a span of each key that is not known; NULL is no key."""
    is_unknown = pc.and_(pc.is_valid(keys), pc.invert(pc.is_in(keys, value_set=known)))
    unknown = as_array(keys.filter(is_unknown))
    return as_array(arrivals.filter(is_unknown)).take(pc.index_in(pc.unique(unknown), value_set=unknown))


def _texts(number: int, one: ColumnSet, which: Sequence[int]) -> exp.Select:
    """``number, key, which, value``: the text of each column for each key."""
    values = [exp.alias_(exp.AnyValue(this=exp.column(name)), name) for name in one.columns]
    rows = exp.select(exp.alias_(_hash(one.keys), "key"), *values).from_(_WITNESSES).group_by(exp.column("key"))
    texts = [text(exp.column(name)) for name in one.columns]
    return exp.select(
        exp.alias_(exp.Literal.number(number), "number"),
        exp.column("key"),
        exp.alias_(_unnested([exp.Literal.number(code) for code in which]), "which"),
        exp.alias_(_unnested(texts), "value"),
    ).from_(rows.subquery("rows", copy=False))


def _unnested(items: Sequence[exp.Expr]) -> exp.Expr:
    return exp.Anonymous(this="unnest", expressions=[exp.Array(expressions=list(items))])


def _hash(columns: Sequence[str]) -> exp.Expr:
    return exp.Anonymous(this="hash", expressions=[exp.column(name) for name in columns])


def _union(queries: Sequence[exp.Query]) -> exp.Query:
    found, *others = queries
    for other in others:
        found = exp.union(found, other, distinct=False, copy=False)
    return found
