"""Counts columns by keys, and looks up afterwards what each key says of them.

Columns that depend on each other have few different rows. To group spans by a hash of each such set of columns takes a
third of the time that it takes to group them by the columns themselves. What the columns are for a hash is known of
most from a sample; the spans that tell of the others are read again. Two rows of a column set have the same hash of 64
bits once among billions of different ones.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, takewhile
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.tally import CELL, CELLS, Counter, Tally, parsed, text
from spanlake.spans.arrays import Array, as_array, int32
from spanlake.traceql.relation import ARRIVAL

LookUp = Callable[[Array, Sequence[str]], pa.Table]
"""Reads columns of the spans with these ``arrival``."""

_JOINT, _WITNESSES, _MEANINGS = "joint", "witnesses", "meanings"
_KEY = "key_{n}"
_VALUE = "value"
_MOST_UNKNOWN = 1 << 17  # spans that are read again

_COUNTS = """
    SELECT {n} AS number, key_{n} AS key, cell, CAST(SUM(n) AS BIGINT) AS n
    FROM joint WHERE NOT key_{n} IS NULL GROUP BY key_{n}, cell
"""
_COUNTED = """
    SELECT which, value, cell, CAST(SUM(n) AS BIGINT) AS n FROM counts JOIN meanings USING (number, key)
    GROUP BY which, value, cell
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
        joint = _signed(session.table(self._joint(query)))
        session.register(_JOINT, joint)
        return joint

    def meanings(self, session: Session, rows: pa.Table) -> pa.Table:
        """What keys mean: the text of each column for each key, as told by rows of those columns that are asked about.

        A table ``number, key, which, value``: the number of the column set, and of the column among all of them.
        """
        session.register(_WITNESSES, rows)
        there = set(rows.column_names)
        told = [_texts(n, one, self._which(one)) for n, one in enumerate(self._every) if there.issuperset(one.columns)]
        found = _signed(session.table(_union(told)))
        return _with(found, _VALUE, as_array(found[_VALUE]).dictionary_encode())

    def completed(self, session: Session, joint: pa.Table, meanings: pa.Table) -> pa.Table | None:
        """The meanings of all keys that were counted, given those of most; None where they lack too much."""
        unknown = [_unknown(joint, n, meanings) for n, _ in enumerate(self._every)]
        arrivals = pc.unique(pa.chunked_array([some[ARRIVAL] for some in unknown], pa.int64()))
        if len(arrivals) > _MOST_UNKNOWN:
            return None
        if len(arrivals) == 0:
            return meanings
        lacking = [one for one, some in zip(self._every, unknown, strict=True) if len(some)]
        names = {name for one in lacking for name in (*one.columns, *one.keys)}
        found = self.meanings(session, self.look_up(arrivals, sorted(names)))
        new = [found.filter(_is_of(found, n, some["key"])) for n, some in enumerate(unknown)]
        return pa.concat_tables([meanings, *new]).unify_dictionaries().combine_chunks()

    def tallies(self, counter: Counter, meanings: pa.Table) -> Iterator[Tally]:
        """The tallies of all columns. Raises LimitExceeded for too many values or points."""
        columns = [name for one in self._every for name in one.columns]
        coded, texts = _coded(meanings)
        counter.session.register(_MEANINGS, coded)
        counts = _union([parsed(_COUNTS.format(n=n)) for n, _ in enumerate(self._every)])
        query = exp.Select().with_("counts", as_=counts, copy=False)
        query.with_("counted", as_=parsed(_COUNTED), materialized=True, copy=False)
        return counter.tops(query, dict(enumerate(columns)), texts=texts)

    @property
    def _every(self) -> Iterator[ColumnSet]:
        return chain.from_iterable(self.sets)

    def _which(self, wanted: ColumnSet) -> range:
        before = sum(len(one.columns) for one in takewhile(lambda one: one is not wanted, self._every))
        return range(before, before + len(wanted.columns))

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


def _unknown(joint: pa.Table, number: int, meanings: pa.Table) -> pa.Table:
    """Each key of a column set that is not known, and the ``arrival`` of a span that has it; NULL is no key."""
    keys = joint[_KEY.format(n=number)]
    known = meanings["key"].filter(pc.equal(meanings["number"], int32(number)))
    is_unknown = pc.and_(pc.is_valid(keys), pc.invert(pc.is_in(keys, value_set=known)))
    unknown = as_array(keys.filter(is_unknown))
    each = pc.unique(unknown)
    arrivals = as_array(joint[ARRIVAL].filter(is_unknown)).take(pc.index_in(each, value_set=unknown))
    return pa.table({"key": each, ARRIVAL: arrivals})


def _is_of(meanings: pa.Table, number: int, keys: Array) -> Array:
    return pc.and_(pc.equal(meanings["number"], int32(number)), pc.is_in(meanings["key"], value_set=keys))


def _coded(meanings: pa.Table) -> tuple[pa.Table, list[str]]:
    """Those that have a text, the texts as numbers, in whose order they are."""
    there = meanings.filter(pc.is_valid(meanings[_VALUE]))
    values: Any = as_array(there[_VALUE])
    order = pc.sort_indices(values.dictionary)
    ranks: Array = pc.index_in(values.indices.cast(order.type), value_set=order)
    texts: list[str] = values.dictionary.take(order).to_pylist()
    return _with(there, _VALUE, ranks), texts


def _signed(table: pa.Table) -> pa.Table:
    """The table with hashes as signed numbers: DuckDB cannot compare others of its size with those in Arrow tables."""
    for name, type_ in zip(table.column_names, table.schema.types, strict=True):
        if type_ == pa.uint64():
            table = _with(table, name, as_array(table[name]).view(pa.int64()))
    return table


def _with(table: pa.Table, name: str, values: Array) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, values)


def _texts(number: int, one: ColumnSet, which: Iterable[int]) -> exp.Select:
    """``number, key, which, value``: the text of each column for each key."""
    values = [exp.alias_(exp.AnyValue(this=exp.column(name)), name) for name in one.columns]
    rows = exp.select(exp.alias_(_hash(one.keys), "key"), *values).from_(_WITNESSES).group_by(exp.column("key"))
    texts = [text(exp.column(name)) for name in one.columns]
    return exp.select(
        exp.alias_(exp.Literal.number(number), "number"),
        exp.column("key"),
        exp.alias_(_unnested([exp.Literal.number(code) for code in which]), "which"),
        exp.alias_(_unnested(texts), _VALUE),
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
