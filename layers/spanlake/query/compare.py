"""``compare()``: how often each value of each attribute occurs in a selection of spans, and in all the others.

The spans' attributes are read a few dozen at a time. Attributes that go together, as those of one resource or one kind
of request do, are counted together (see ``tally``); a sample tells which ones that is worth the while for.
"""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from itertools import chain
from operator import methodcaller
from typing import Any

import pyarrow as pa
from sqlglot import exp

from spanlake.query.duck import Session
from spanlake.query.finder import over, with_spans
from spanlake.query.found import named
from spanlake.query.keyed import ColumnSet, Keyed
from spanlake.query.kin import FACETS, Kin
from spanlake.query.learned import Learned
from spanlake.query.positions import inside, inside_of, position
from spanlake.query.repeats import Weight, repeats
from spanlake.query.sample import SAMPLE, dependent, is_scattered
from spanlake.query.series import LabelValue, Series
from spanlake.query.source import Source, row_is_one_of
from spanlake.query.steps import Steps
from spanlake.query.tally import (
    CELL,
    CELLS,
    ROWS,
    WIDEST,
    Counter,
    Line,
    Tally,
    with_rows,
    with_weighted_rows,
)
from spanlake.spans.arrays import Array
from spanlake.traceql import values
from spanlake.traceql.facets import EVERYWHERE, Facet, Level, dedicated_names, facets
from spanlake.traceql.fields import SPAN, Fields
from spanlake.traceql.pipeline import SearchPlan, Selection
from spanlake.traceql.predicate import Predicates
from spanlake.traceql.probe import Probe
from spanlake.traceql.relation import ARRIVAL, columns_needed, relation
from spanlake.traceql.tree import Compare, Static, Type
from spanlake.traceql.values import Sql

_START = "start_time_unix_nano"
_META = "__meta_type"
_SIDES = ("baseline", "selection")
_NIL = "nil"
_IDS = {name: methodcaller("column", name) for name in ("resource_id", "scope_id")}
_SAMPLE_BLOCKS = 4
_FEW_LISTS = 8  # facets of lists, which few spans have, and which take long to look into, are counted apart
_OF_PORTIONS = "of_portions"
_CHOSEN, _CHOSEN_ARRIVAL = "chosen", "came"
_WANTED = "wanted"
_FEW_ROWS = 256  # of which DuckDB is told where they lie
VALUE, WEIGHT = "value", "weight"


def compare(session: Session, source: Source, plan: SearchPlan, node: Compare, steps: Steps) -> list[Series]:
    """The series of a compare(): counts of the most frequent values of each attribute, and of all its values.

    Raises LimitExceeded for too many values or points.
    """
    spans = _Spans.of(session, source, plan, node, steps)
    attributes: dict[str, _Attribute] = {}
    counter = Counter(session, node.top, steps.count)
    for bundle in _Bundles(counter, spans, source):
        for found in bundle.tallies:
            facet = bundle.facets[found.column]
            attributes.setdefault(facet.name, _Attribute()).add(facet, found)
    return _series(attributes, counter)


# the spans


@dataclass(frozen=True)
class _Spans:
    """The matching spans and their cells: a cell is a point in time, twice its number, and a side, 1 if selected.

    Where spans can be judged one by one, every query judges them again. Otherwise they are ``chosen`` once.
    """

    source: Source
    plan: SearchPlan
    node: Compare
    steps: Steps
    chosen: bool = False

    @classmethod
    def of(cls, session: Session, source: Source, plan: SearchPlan, node: Compare, steps: Steps) -> "_Spans":
        spans = cls(source, plan, node, steps)
        fields = Fields(source.known)
        came = exp.alias_(exp.column(ARRIVAL, table=SPAN), _CHOSEN_ARRIVAL)
        fields.needs.arrival = True
        matching = spans._matching(fields, [came])
        if plan.single_filter is not None and not fields.needs.whole_traces:
            return cls(source.overlapping(steps.first_ns, steps.last_ns), plan, node, steps)
        define = partial(with_spans, source=source, probe=Probe.of(plan, source.known), fields=fields)
        session.register(_CHOSEN, session.table(over(session, exp.select(exp.Star()), matching, define)))
        return cls(source, plan, node, steps, chosen=True)

    def cells(self, columns: Mapping[str, Callable[[Fields], Sql]]) -> exp.Select:
        """A query without a body that defines the table ``cells``: the cell of each span, and columns of it.

        Whoever reads it more than once reads what it needs from the blocks each time: to keep it would take memory.
        """
        fields = Fields(self.source.known)
        read: list[exp.Expr] = [exp.alias_(column(fields), name) for name, column in columns.items()]
        query = self._chosen(fields, read) if self.chosen else self._of_single_filter(fields, read)
        for table in query.args["with_"].expressions:
            table.set("materialized", False)
        return query

    def _of_single_filter(self, fields: Fields, columns: list[exp.Expr]) -> exp.Select:
        matching = self._matching(fields, columns)
        query = with_spans(exp.Select(), self.source, Probe.of(self.plan, self.source.known), fields)
        return query.with_(CELLS, as_=matching.query, copy=False)

    def sampled(self) -> "_Spans":
        """Some of them; those that are chosen already are sampled as they come."""
        return self if self.chosen else replace(self, source=self.source.sampled(_SAMPLE_BLOCKS, SAMPLE))

    def at(self, session: Session, arrivals: Array, columns: Mapping[str, Callable[[Fields], Sql]]) -> pa.Table:
        """Columns of the spans with these ``arrival``."""
        source, arrivals = self.source.of_rows(arrivals)
        fields = Fields(source.known)
        read: list[exp.Expr] = [exp.alias_(column(fields), name) for name, column in columns.items()]
        few = [row_is_one_of(arrivals)] if len(arrivals) <= _FEW_ROWS else []
        spans = source.table(columns_needed(fields.needs), arrival=True, where=few)
        is_wanted = session.among(exp.column(ARRIVAL, table=SPAN), _WANTED, pa.table({ARRIVAL: arrivals}))
        return session.table(relation(fields.needs, read, spans).where(is_wanted, copy=False))

    def weighted(self, read: Callable[[Fields], Sql], weight: Weight) -> exp.Select:
        """The same of a single filter's spans, with the columns VALUE and WEIGHT."""
        fields = Fields(self.source.known)
        columns = [self._cell(fields), exp.alias_(read(fields), VALUE), exp.alias_(weight(fields), WEIGHT)]
        every = self.plan.select(fields, columns).query
        at_its_time = inside(self.steps, fields.column(_START))
        if every.find(exp.Window):  # over spans of any time
            every.qualify(at_its_time, copy=False)
        else:
            every.where(at_its_time, copy=False)
        query = with_spans(exp.Select(), self.source, Probe.of(self.plan, self.source.known), fields)
        return query.with_(CELLS, as_=every, copy=False)

    def _matching(self, fields: Fields, columns: list[exp.Expr]) -> Selection:
        where = inside_of(self.steps, self.source, fields)
        return self.plan.select(fields, [self._cell(fields), *columns], where=where)

    def _chosen(self, fields: Fields, columns: list[exp.Expr]) -> exp.Select:
        same = exp.EQ(this=exp.column(ARRIVAL, table=SPAN), expression=exp.column(_CHOSEN_ARRIVAL, table=_CHOSEN))
        cells = relation(fields.needs, [exp.column(CELL, table=_CHOSEN), *columns]).join(_CHOSEN, on=same)
        spans = self.source.table(columns_needed(fields.needs), arrival=True)
        return exp.Select().with_("spans", as_=spans, copy=False).with_(CELLS, as_=cells, copy=False)

    def _cell(self, fields: Fields) -> exp.Expr:
        start = fields.column(_START)
        side = exp.cast(exp.Is(this=exp.paren(self._selected(fields)), expression=exp.true()), "INTEGER")
        return exp.alias_(exp.cast(position(self.steps, start) * 2 + side, "INTEGER"), CELL)

    def _selected(self, fields: Fields) -> Sql:
        selected = Predicates(fields).truth(self.node.selection.condition)
        if not self.node.start_ns:
            return selected
        start, first, end = fields.column(_START), self.node.start_ns, self.node.end_ns
        return exp.and_(start >= values.number(first), start < values.number(end), selected)


# what is counted together


@dataclass(frozen=True)
class _Bundle:
    """Facets that are counted together, by the name of their column, and what was counted."""

    facets: Mapping[str, "_Counted"]
    tallies: Iterable[Tally]


@dataclass(frozen=True)
class _Counted:
    """What is to be known of a facet once it is counted."""

    name: str
    type: Type
    shown: bool = True
    dedicated: bool = False
    is_known: bool = False  # all but for which spans it is there


@dataclass(frozen=True)
class _Bundles:
    """Chooses what to count together, and counts it."""

    counter: Counter
    spans: "_Spans"
    source: Source

    @property
    def session(self) -> Session:
        """Where queries run."""
        return self.counter.session

    def __iter__(self) -> Iterator[_Bundle]:
        kin = Kin.of(self.session, self.source)
        counted = {column: _Counted(name, type_) for column, (name, type_) in FACETS.items()}
        yield _Bundle(counted, self.counter.rows(self._of_kin(kin), list(counted)))
        found = facets(self.source.known)
        named = self._repeats()
        for facet in found:
            if facet.name in named:
                yield from self._repeated(facet, named[facet.name])
        columns = {f"f{n}": facet for n, facet in enumerate(facet for facet in found if facet.name not in named)}
        of_spans = [name for name, facet in columns.items() if facet.level is Level.SPAN]
        resources = {name: facet for name, facet in columns.items() if facet.level is Level.RESOURCE}
        for at in range(0, len(of_spans) or 1, WIDEST):
            part = {name: columns[name] for name in of_spans[at : at + WIDEST]}
            yield from self._split(part, {} if at else resources)

    def _repeats(self) -> Mapping[str, Weight]:
        """What counts more than once: see ``repeats``."""
        condition = self.spans.plan.single_filter
        return {} if condition is None or self.spans.plan.query.exact else repeats(condition)

    def _repeated(self, facet: Facet, weight: Weight) -> Iterator[_Bundle]:
        cells = with_weighted_rows(self.spans.weighted(facet.read, weight), VALUE, WEIGHT)
        counted = replace(_counted(facet), dedicated=False)
        yield _Bundle({VALUE: counted}, self.counter.rows(cells, [VALUE]))
        if facet.dedicated or facet.name == EVERYWHERE:
            known = replace(counted, dedicated=True, is_known=True)
            yield _Bundle({VALUE: known}, self.counter.totals(self._cells({VALUE: facet}), [VALUE]))

    def _of_kin(self, kin: Kin) -> exp.Select:
        if kin.portions == 1:
            return kin.with_rows(self.spans.cells(kin.columns))
        queries = (kin.with_rows(self.spans.cells(kin.columns), portion) for portion in range(kin.portions))
        found = [self.session.table(query.select(exp.Star(), copy=False).from_(ROWS, copy=False)) for query in queries]
        self.session.register(_OF_PORTIONS, pa.concat_tables(found))
        return exp.Select().with_(ROWS, as_=exp.select(exp.Star()).from_(_OF_PORTIONS), copy=False)

    def _split(self, columns: Mapping[str, Facet], resources: Mapping[str, Facet]) -> Iterator[_Bundle]:
        """Some facets of spans, and some of resources, which are the same for all spans of one resource and scope.

        They are counted in bundles: of those that tell much of each other, of those with countless values, of the
        others.
        """
        about = self._about({**columns, **resources})
        learned = self.session.memory.recall(about) or self._learn(columns, resources)
        scattered, lists = ({name: columns[name] for name in names} for names in (learned.scattered, learned.lists))
        if lists:
            yield self._bundle(lists, with_rows(self._cells(lists), list(lists), sparse=True))
        joined = {name: columns[name] for names in learned.sets for name in names}
        if joined or resources:
            yield from self._keyed(about, learned, joined, resources)
        if others := {name: facet for name, facet in columns.items() if name not in {*joined, *scattered, *lists}}:
            yield self._many(others)
        if scattered:
            yield self._scattered(scattered)

    def _about(self, columns: Mapping[str, Facet]) -> Hashable:
        """What is learned is about these columns of a tenant, and so many spans."""
        source = self.spans.source
        facets = tuple((name, facet.name, facet.type, facet.shown) for name, facet in columns.items())
        return tuple({block.tenant for block in source.blocks}), source.spans.bit_length(), facets

    def _learn(self, columns: Mapping[str, Facet], resources: Mapping[str, Facet]) -> Learned:
        """What a sample tells."""
        read = {name: facet.read for name, facet in {**columns, **resources}.items()} | _IDS
        query = self.spans.sampled().cells(read).select(*(exp.column(name) for name in read), copy=False)
        sample = self.session.table(query.from_(exp.table_(CELLS), copy=False).limit(SAMPLE, copy=False))
        rows = self.spans.source.spans
        scattered = [name for name in columns if is_scattered(sample[name], rows)]
        lists = [name for name, facet in columns.items() if facet.is_of_list and name not in scattered]
        if len(lists) > _FEW_LISTS:
            lists = []
        sets = dependent(sample.select([name for name in columns if name not in {*scattered, *lists}]), rows)
        keyed = self._keys(sets, {**columns, **resources}, resources)
        meanings = keyed.meanings(self.session, sample) if keyed.sets else pa.table({})
        return Learned(scattered, lists, sets, meanings)

    def _keyed(
        self, about: Hashable, learned: Learned, columns: Mapping[str, Facet], resources: Mapping[str, Facet]
    ) -> Iterator[_Bundle]:
        """Sets of facets that depend on each other, and facets of resources."""
        every = {**columns, **resources}
        keyed = self._keys(learned.sets, every, resources)
        cells = self.spans.cells({name: facet.read for name, facet in every.items()} | _IDS | {ARRIVAL: _arrival})
        joint = keyed.count(self.session, cells)
        meanings = keyed.completed(self.session, joint, learned.meanings)
        if meanings is not None:
            self.session.memory.keep(about, replace(learned, meanings=meanings))
            counted = {name: _counted(facet) for name, facet in every.items()}
            yield _Bundle(counted, keyed.tallies(self.counter, meanings))
            return
        self.session.memory.forget(about)
        if columns:
            yield self._many(columns)
        if resources:
            read = {name: facet.read for name, facet in resources.items()} | _IDS
            yield self._bundle(resources, with_rows(self.spans.cells(read), list(resources), list(_IDS)))

    def _keys(
        self, sets: Sequence[Sequence[str]], columns: Mapping[str, Facet], resources: Mapping[str, Facet]
    ) -> Keyed:
        together = [[ColumnSet(names, names) for names in sets]] if sets else []
        if resources:
            together.append([ColumnSet(list(resources), list(_IDS))])
        return Keyed(together, partial(self._at, {name: facet.read for name, facet in columns.items()} | _IDS))

    def _at(self, read: Mapping[str, Callable[[Fields], Sql]], arrivals: Array, names: Sequence[str]) -> pa.Table:
        return self.spans.at(self.session, arrivals, {name: read[name] for name in names})

    def _cells(self, columns: Mapping[str, Facet]) -> exp.Select:
        return self.spans.cells({name: facet.read for name, facet in columns.items()})

    def _bundle(self, columns: Mapping[str, Facet], query: exp.Select) -> _Bundle:
        counted = {name: _counted(facet) for name, facet in columns.items()}
        return _Bundle(counted, self.counter.rows(query, list(columns)))

    def _many(self, columns: Mapping[str, Facet]) -> _Bundle:
        """Facets of too many values, or too different ones, to be counted together."""
        kinds = {name: facet.type.value if facet.shown else Type.STRING.value for name, facet in columns.items()}
        tallies = self.counter.many(self._cells(columns), kinds)
        return _Bundle({name: _counted(facet) for name, facet in columns.items()}, tallies)

    def _scattered(self, columns: Mapping[str, Facet]) -> _Bundle:
        """Facets of which only values that may be among the most frequent are counted one by one."""
        names = list(columns)
        frequent = self.counter.candidates(self._cells(columns), names)
        tallies = [self._frequent(name, facet, frequent[name]) for name, facet in columns.items() if frequent[name]]
        shown = (found for found in chain.from_iterable(tallies) if found.value is not None)
        counted = {name: _counted(facet) for name, facet in columns.items()}
        return _Bundle(counted, chain(shown, self.counter.totals(self._cells(columns), names)))

    def _frequent(self, name: str, facet: Facet, wanted: list[Any]) -> Iterator[Tally]:
        literals = [values.literal(Static(facet.type if facet.shown else Type.STRING, value)) for value in wanted]
        cells = self._cells({name: facet})
        return self.counter.rows(with_rows(cells, [name], only=literals), [name])


def _arrival(fields: Fields) -> Sql:
    fields.needs.arrival = True
    return exp.column(ARRIVAL, table=SPAN)


def _counted(facet: Facet) -> _Counted:
    return _Counted(facet.name, facet.type, facet.shown, facet.dedicated)


# the series


@dataclass(frozen=True)
class _Value:
    """A value and how often it occurs."""

    label: LabelValue
    counts: Line

    @cached_property
    def total(self) -> float:
        """How often in all."""
        return math.fsum(self.counts)


@dataclass
class _Attribute:
    """What was counted of an attribute on either side: its values, of any type, and how many there are in all."""

    values: tuple[dict[object, _Value], dict[object, _Value]] = field(default_factory=lambda: ({}, {}))
    totals: list[Line] = field(default_factory=lambda: [[], []])  # empty where nothing was counted
    dedicated: list[Line] = field(default_factory=lambda: [[], []])

    def add(self, facet: _Counted, found: Tally) -> None:
        """Take in one tally of one of its facets."""
        side = found.side
        if found.value is not None:
            label = _label(facet.type, found.value) if facet.shown else _NIL
            _add(self.values[side], (facet.type, facet.shown, found.value), _Value(label, found.counts))
            return
        if not facet.is_known:
            self.totals[side] = _sum(self.totals[side], found.counts)
        if facet.dedicated:
            self.dedicated[side] = _sum(self.dedicated[side], found.counts)

    def add_nil(self, side: int, spans: Line) -> None:
        """Count nil for every span of which the dedicated column holds nothing."""
        there = self.dedicated[side] or [0.0] * len(spans)
        counts = [max(count - known, 0.0) for count, known in zip(spans, there, strict=True)]
        if any(counts):
            self.values[side][None] = _Value(_NIL, counts)
            self.totals[side] = _sum(self.totals[side], counts)

    def most_frequent(self, side: int, top: int) -> Iterable[_Value]:
        """The most frequent values, those that the answer does not tell apart as one."""
        ranked = sorted(self.values[side].values(), key=lambda one: (-one.total, str(one.label)))
        shown: dict[object, _Value] = {}
        for one in ranked[:top]:
            _add(shown, (type(one.label), one.label), one)
        return shown.values()


def _add(values: dict[object, _Value], key: object, one: _Value) -> None:
    known = values.get(key)
    values[key] = one if known is None else _Value(one.label, _sum(known.counts, one.counts))


def _sum(one: Line, other: Line) -> Line:
    return [a + b for a, b in zip(one, other, strict=True)] if one else other


def _label(type_: Type, text: str) -> LabelValue:
    if type_ is Type.BOOL:
        return text == "true"
    if type_ is Type.FLOAT:
        return float(text)
    label: LabelValue = text if type_ is Type.STRING else named(type_, int(text))
    return label


def _series(attributes: dict[str, _Attribute], counter: Counter) -> list[Series]:
    if EVERYWHERE not in attributes:
        return []
    everywhere = attributes[EVERYWHERE]
    spans = everywhere.dedicated if any(everywhere.dedicated) else everywhere.totals
    found: list[Series] = []
    for name in sorted({*attributes, *dedicated_names()}):
        attribute = attributes.get(name) or _Attribute()
        for side, meta in enumerate(_SIDES):
            if name in dedicated_names():
                attribute.add_nil(side, spans[side])
            found += _of_side(name, meta, attribute, side, counter.top)
        counter.check(len(found))
    return found


def _of_side(name: str, meta: str, attribute: _Attribute, side: int, top: int) -> Iterator[Series]:
    for one in attribute.most_frequent(side, top):
        yield Series(((_META, meta), (name, one.label)), tuple(one.counts))
    if total := attribute.totals[side]:
        yield Series(((_META, f"{meta}_total"), (name, _NIL)), tuple(total))
