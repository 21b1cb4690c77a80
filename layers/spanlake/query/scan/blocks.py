"""Live blocks as a relation: Parquet files read with one explicit schema."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.fields import AttributeSchema, span_column
from spanlake.query.compile.spans import ROW_ID
from spanlake.query.compile.sql import Sql, id_literal, memory_table
from spanlake.query.scan.block_memo import KnownValues, Misses
from spanlake.query.scan.trace_ids import TraceIds
from spanlake.query.time_range import Steps, inside
from spanlake.spans.arrow import Array, int64
from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED
from spanlake.store.blocks.block import OTHER_KEYS, Block, CatalogEntry, arrival_order
from spanlake.store.blocks.row_groups import RowGroups
from spanlake.store.blocks.trace_columns import DERIVED, SLICE_COLUMNS, SLICE_START, TRACE_COLUMNS
from spanlake.store.index.base import Index
from spanlake.store.objects.base import Objects
from spanlake.store.tenant import tenants_in
from spanlake.traceql import ast

_FIXED = {column.name: column.type for column in (*FIXED, *TRACE_COLUMNS, *SLICE_COLUMNS)}
_SCALARS = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}
HISTORY_NS = 7 * 24 * 3600 * 1_000_000_000
"""Nanoseconds beyond a range within which the other spans of its traces are looked for."""

Locate: TypeAlias = Callable[[Sequence[Block]], list[str]]

_ROW_BITS = 40  # of arrival, more than a file's rows take: it orders files first, then rows in them


def duck_type(type_: pa.DataType) -> str:
    """Return DuckDB's name of an Arrow type that occurs in span tables."""
    if pa.types.is_list(type_):
        return f"{duck_type(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        members = ", ".join(f'"{member.name}" {duck_type(member.type)}' for member in type_)
        return f"STRUCT({members})"
    return _SCALARS[type_]


@lru_cache(maxsize=16)
def attribute_schema(catalog: frozenset[CatalogEntry]) -> AttributeSchema:
    """Convert the index's catalog into the compiler's terms."""
    columns, rest, nested, others = [], [], [], set()
    scopes = {scope.value: scope for scope in Scope}
    for entry in catalog:
        scope = scopes.get(entry.scope)
        if entry.key == OTHER_KEYS:
            others.add(entry.scope)
        elif scope is None and entry.type == "rest":
            nested.append((ast.AttributeScope(entry.scope), entry.key))
        elif scope is not None and entry.type == "rest":
            rest.append((scope, entry.key))
        elif scope is not None:
            columns.append(AttributeColumn(scope, entry.key, ValueType(entry.type)))
    return AttributeSchema.of(columns, rest, nested, others)


@dataclass(frozen=True)
class Repeated:
    """A table of rows that repeat others, by the ``path`` of their block and their ``row`` in it."""

    name: str
    rows: pa.Table
    paths: frozenset[str]

    def arrivals(self, files: Mapping[str, int]) -> exp.Select:
        """Compile the ``arrival`` of the rows in some blocks, which are numbered by their paths."""
        whens = [
            exp.If(this=exp.EQ(this=exp.column("path"), expression=exp.Literal.string(path)), true=sql.number(number))
            for path, number in files.items()
        ]
        number = exp.cast(exp.Case(ifs=whens, default=sql.number(-1)), "BIGINT")
        first = exp.paren(exp.BitwiseLeftShift(this=exp.paren(number), expression=exp.Literal.number(_ROW_BITS)))
        is_there = exp.In(this=exp.column("path"), expressions=[exp.Literal.string(path) for path in files])
        arrival = exp.BitwiseOr(this=first, expression=exp.column("row"))
        return exp.select(arrival).from_(memory_table(self.name, self.rows), copy=False).where(is_there, copy=False)


@dataclass(frozen=True)
class BlockScan:
    """Some live blocks, in the order in which their spans arrived, and what is known of them."""

    blocks: tuple[Block, ...]
    known: AttributeSchema
    objects: Objects
    catalog: frozenset[CatalogEntry] = frozenset()  # of the days of the blocks
    first_rows: int | None = None  # how many of each block's spans are looked at, if not all
    locate: Locate | None = None  # where their files are, if not where the objects say
    wider: "Callable[[], BlockScan] | None" = None  # finds blocks of more time, if there may be any
    find_repeats: "Callable[[BlockScan], BlockScan] | None" = None  # says where spans are stored twice
    misses: Misses = field(default_factory=Misses)  # tests that spans of some blocks do not meet
    values: KnownValues = field(default_factory=KnownValues)  # of fields, by block
    trace_ids: TraceIds = field(default_factory=TraceIds)  # of small blocks
    repeated: "Repeated | None" = None  # the rows that are left out
    others: "BlockScan | None" = None  # blocks of which the spans of some traces are looked at
    of_others: tuple[bytes, ...] = ()
    slices: tuple[int, int] | None = None  # only those that begin between these times, both inclusive

    @classmethod
    def find(cls, index: Index, objects: Objects, tenant: str, start_ns: int, end_ns: int) -> "BlockScan":
        """Return the blocks of a tenant, or of several as in ``a|b``, that may hold spans of the inclusive range."""
        found = [index.look_up(each, start_ns, end_ns) for each in tenants_in(tenant)]
        blocks = sorted((block for some, _ in found for block in some), key=arrival_order)
        catalog = found[0][1] if len(found) == 1 else frozenset().union(*(entries for _, entries in found))
        return cls(tuple(blocks), attribute_schema(catalog), objects, catalog)

    def only(self, blocks: Iterable[Block]) -> "BlockScan":
        """Restrict the source to some of its blocks."""
        return replace(self, blocks=tuple(blocks))

    def in_slices(self, slices: tuple[int, int] | None) -> "BlockScan":
        """Restrict the source to the slices that begin between two times, both inclusive; None for all rows."""
        return replace(self, slices=slices)

    def with_spans_of(self, others: "BlockScan", trace_ids: Sequence[bytes]) -> "BlockScan":
        """Add the spans that other blocks hold of some traces."""
        return replace(self, others=others, of_others=tuple(trace_ids)) if trace_ids else self

    @property
    def with_history(self) -> "BlockScan":
        """The blocks of all the time in which the other spans of a trace are looked for."""
        return self if self.wider is None else self.wider()

    def once(self) -> "BlockScan":
        """Leave out spans that repeat another one. Raises LimitExceeded."""
        return self if self.find_repeats is None else self.find_repeats(self)

    def sampled(self, blocks: int, spans: int) -> "BlockScan":
        """Sample about ``spans`` rows: the first rows of up to ``blocks`` blocks, spread over time."""
        ordered = sorted(self.blocks, key=lambda block: (block.start_ns, block.id))
        some = tuple(ordered[:: -(-len(ordered) // blocks)])
        rows = spans // len(some)
        return replace(self, blocks=some, first_rows=rows if any(block.spans > rows for block in some) else None)

    def without_row_numbers(self) -> "BlockScan":
        """Return a scan for engines that do not number rows: none is left out because it repeats another."""
        wider = self.wider
        return replace(self, find_repeats=None, wider=wider and (lambda: wider().without_row_numbers()))

    @property
    def spans(self) -> int:
        """Number of spans that are read if all traces are."""
        return sum(
            block.spans if self.first_rows is None else min(block.spans, self.first_rows) for block in self.blocks
        )

    @property
    def size(self) -> int:
        """The bytes of all blocks."""
        return sum(block.size for block in self.blocks)

    def is_within(self, start_ns: int, end_ns: int) -> bool:
        """Return True where all spans start in the inclusive range."""
        inside = all(start_ns <= block.start_ns and block.end_ns <= end_ns for block in self.blocks)
        return inside and self.others is None

    def starts_after(self, start_ns: int) -> bool:
        """True where no span starts before a time."""
        return all(start_ns <= block.start_ns for block in self.blocks)

    def overlapping(self, start_ns: int, end_ns: int) -> "BlockScan":
        """Restrict the source to blocks that may hold spans of the inclusive range."""
        return self.only(block for block in self.blocks if block.start_ns <= end_ns and block.end_ns >= start_ns)

    @property
    def files(self) -> list[str]:
        """Return the paths of the blocks for DuckDB."""
        if self.locate is not None:
            return self.locate(self.blocks)
        return [self.objects.uri(block.path) for block in self.blocks]

    @property
    def is_local(self) -> bool:
        """True where all blocks are read from files of this machine."""
        return not any("://" in file for file in self.files)

    @property
    def is_far(self) -> bool:
        """True where objects are asked for over a network, unless there are copies of them."""
        return any("://" in self.objects.uri(block.path) for block in self.blocks)

    def with_objects(self) -> "BlockScan":
        """Restrict the source to blocks whose objects are there."""
        folders = {block.path.rpartition("/")[0] for block in self.blocks}
        there = {info.path for folder in folders for info in self.objects.list(f"{folder}/")}
        return self.only(block for block in self.blocks if block.path in there)

    def all_columns(self, *where: exp.Expr) -> exp.Select:
        """Compile every column that tells of a span itself, of those that a few blocks have, and ``arrival``.

        Opens the blocks.
        """
        options: list[exp.Expr] = [exp.EQ(this=exp.column("union_by_name"), expression=exp.true())]
        rows = exp.select(_own_columns(), _row_id()).from_(_read(self.files, options), copy=False)
        return rows.where(*where, *self._tests(), copy=False)

    def table(self, columns: Iterable[str], *, row_id: bool = False, where: Sequence[exp.Expr] = ()) -> exp.Select:
        """Compile ``SELECT columns FROM read_parquet([files]) WHERE …``.

        ``arrival`` adds the column of that name, a number of its own for each row, that grows in the order in which
        spans arrived.
        """
        names = sorted(set(columns))
        rows = self._rows(names, 0 if row_id else None, where)
        if self.others is None:
            return rows
        ids = exp.In(this=exp.column("trace_id"), expressions=[id_literal(one) for one in self.of_others])
        others = self.others._rows(names, len(self.blocks) if row_id else None, [*where, ids])
        both = exp.union(rows, others, distinct=False, copy=False).subquery("every", copy=False)
        return exp.select(exp.Star()).from_(both, copy=False)

    def _rows(self, names: list[str], first_file: int | None, where: Sequence[exp.Expr]) -> exp.Select:
        select: list[exp.Expr] = [exp.column(name) for name in names]
        if first_file is not None:
            select.append(_row_id(first_file))
        of_tests = {"trace_id"} if self.slices is None else {"trace_id", SLICE_START}
        known = sorted({*names, *of_tests})  # deleted traces and those of other blocks are told by their ids
        schema = exp.EQ(this=exp.column("schema"), expression=self._schema(known))
        files = self.files
        if (
            len(files) == 1
        ):  # DuckDB reads a file alone in one thread where it has a schema: name it twice, read it once
            files *= 2
            where = [*where, exp.EQ(this=exp.column("file_index"), expression=exp.Literal.number(0))]
        rows = exp.select(*select).from_(_read(files, [schema]), copy=False)
        return rows.where(*where, *self._tests(), copy=False)

    def _tests(self) -> Iterator[exp.Expr]:
        """Yield the tests that every row must pass, whatever the query."""
        yield from self._not_hidden()
        yield from self._not_repeated()
        if self.first_rows is not None:  # DuckDB leaves out row groups by it
            yield exp.LT(this=exp.column("file_row_number"), expression=exp.Literal.number(self.first_rows))
        if self.slices is not None:
            first, last = map(sql.number, self.slices)
            yield exp.Between(this=exp.column(SLICE_START), low=first, high=last)

    def _not_hidden(self) -> Iterator[exp.Expr]:
        """Return the tests that leave out rows of deleted traces: one for each set of traces that blocks hide."""
        hiding: dict[frozenset[bytes], list[exp.Expr]] = {}
        for number, block in enumerate(self.blocks):
            if block.hidden:
                hiding.setdefault(block.hidden, []).append(exp.Literal.number(number))
        for trace_ids, files in hiding.items():
            ids = [id_literal(trace_id) for trace_id in sorted(trace_ids)]
            in_files = exp.In(this=exp.column("file_index"), expressions=files)
            of_traces = exp.In(this=exp.column("trace_id"), expressions=ids)
            yield exp.not_(exp.and_(in_files, of_traces))

    def _not_repeated(self) -> Iterator[exp.Expr]:
        """Yield the test that a row repeats no other one, if any row does."""
        if self.repeated is None:
            return
        numbers = {block.path: number for number, block in enumerate(self.blocks)}
        files = {path: numbers[path] for path in self.repeated.paths if path in numbers}
        if files:
            yield exp.not_(exp.In(this=_row_id().this, query=self.repeated.arrivals(files).subquery(copy=False)))

    def _schema(self, names: list[str]) -> exp.Expr:
        types = self._types()
        entries = [
            exp.PropertyEQ(this=exp.Literal.string(name), expression=_column(name, duck_type(types[name])))
            for name in names
        ]
        return exp.ToMap(this=exp.Struct(expressions=entries))

    def empty(self, columns: Iterable[str]) -> pa.Table:
        """Return a table of these columns without rows."""
        types = self._types()
        return pa.schema([pa.field(name, types[name]) for name in columns]).empty_table()

    def with_block_names(self, table: pa.Table) -> pa.Table:
        """Return a table of some of these columns as a span table, its fields saying which attributes they hold."""
        fields = {column.name: column.field() for columns in self.known.columns.values() for column in columns}
        schema = pa.schema([fields.get(column.name, column) for column in table.schema])
        return table.cast(schema)

    def _types(self) -> dict[str, pa.DataType]:
        return self.known.types | _FIXED


def _read(files: list[str], options: list[exp.Expr]) -> exp.Table:
    names = exp.Array(expressions=[exp.Literal.string(file) for file in files])
    flat = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
    return exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[names, flat, *options]))


def places(arrivals: Array) -> tuple[Array, Array]:
    """Return the number of the block of each ``arrival``, and of the row in it."""
    rows = pc.bit_wise_and(arrivals, int64((1 << _ROW_BITS) - 1))
    return pc.shift_right(arrivals, int64(_ROW_BITS)), rows


def renumbered(arrivals: Array, numbers: Sequence[int]) -> Array:
    """Return the ``arrival`` of rows by other numbers of their blocks."""
    files, rows = places(arrivals)
    first = pc.shift_left(pa.array(numbers, pa.int64()).take(files), int64(_ROW_BITS))
    return pc.bit_wise_or(first, rows)


def block_number(row_id: exp.Expr) -> exp.Expr:
    """Compile the number of the block that a row is in, which its ``arrival`` has where the engine knows rows."""
    return exp.BitwiseRightShift(this=row_id, expression=exp.Literal.number(_ROW_BITS))


def _own_columns() -> exp.Expr:
    names = [exp.Literal.string(name) for name in sorted(DERIVED)]
    is_own = exp.not_(exp.In(this=exp.column("name"), expressions=names))
    return exp.Columns(this=exp.Lambda(this=is_own, expressions=[exp.to_identifier("name")]))


def _row_id(first_file: int = 0) -> exp.Expr:
    """Compile ``arrival``: files in the order in which they are named, then rows in the order of the file."""
    file: exp.Expr = exp.cast(exp.column("file_index"), "BIGINT")  # unsigned it would make numbers of 128 bits
    if first_file:
        file = exp.paren(file + exp.Literal.number(first_file))
    first = exp.paren(exp.BitwiseLeftShift(this=file, expression=exp.Literal.number(_ROW_BITS)))
    return exp.alias_(exp.BitwiseOr(this=first, expression=exp.column("file_row_number")), ROW_ID)


def _column(name: str, type_: str) -> exp.Expr:
    members = {"name": exp.Literal.string(name), "type": exp.Literal.string(type_), "default_value": exp.Null()}
    return exp.Struct(
        expressions=[exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in members.items()]
    )


def range_test(steps: Steps, source: BlockScan) -> Sql | None:
    """True where a span counts at all; None where all spans of the source do."""
    if source.is_within(steps.since_ns, steps.last_ns):
        return None
    return inside(steps, span_column("start_time_unix_nano"))


@dataclass(frozen=True, slots=True)
class RowGroupLimits:
    """Limits of what is read to find a few rows; beyond them DuckDB reads less."""

    row_groups: int = 4
    bytes: int = 16 << 20  # before compression
    rows: int = 4096  # that are looked for: each takes a step of Python


USUAL_LIMITS = RowGroupLimits()


def read_rows(blocks: BlockScan, arrivals: Array, limits: RowGroupLimits = USUAL_LIMITS) -> pa.Table | None:
    """Return these rows with every column that tells of a span itself, and ``arrival``, in its order.

    None where DuckDB takes less time or memory: for many rows, many row groups, or large ones. Raises
    StorageUnavailable.
    """
    if len(arrivals) > limits.rows:
        return None
    arrivals = pc.take(arrivals, pc.sort_indices(arrivals))
    numbers, rows = places(arrivals)
    files = blocks.files
    groups = [
        RowGroups(files[number], rows.filter(pc.equal(numbers, int64(number))).to_pylist())
        for number in pc.unique(numbers).to_pylist()
    ]
    if (
        sum(len(some.numbers) for some in groups) > limits.row_groups
        or sum(some.size for some in groups) > limits.bytes
    ):
        return None
    tables = [some.read(lambda name: name not in DERIVED) for some in groups]
    if not tables:
        return blocks.empty(["trace_id"]).append_column(ROW_ID, arrivals)
    return pa.concat_tables(tables, promote_options="default").append_column(ROW_ID, arrivals)
