"""Live blocks as a table: Parquet files read with one explicit schema.

The schema names every column with its type, so no file has to be opened to learn it, and a column that a file does not
have is NULL in its rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from spanlake.spans.columns import AttributeColumn, Scope, ValueType
from spanlake.spans.schema import FIXED
from spanlake.store.index import Block, CatalogEntry, Index
from spanlake.store.objects import Objects
from spanlake.traceql.known import Known
from spanlake.traceql.relation import ARRIVAL

_SCALARS = {
    pa.string(): "VARCHAR",
    pa.binary(): "BLOB",
    pa.int64(): "BIGINT",
    pa.int32(): "INTEGER",
    pa.float64(): "DOUBLE",
    pa.bool_(): "BOOLEAN",
}
_ROWS_PER_FILE = 1 << 40  # more than a file has: arrival orders files first, then rows in them


def duck_type(type_: pa.DataType) -> str:
    """DuckDB's name of an Arrow type that occurs in span tables."""
    if pa.types.is_list(type_):
        return f"{duck_type(type_.value_type)}[]"
    if pa.types.is_struct(type_):
        members = ", ".join(f'"{member.name}" {duck_type(member.type)}' for member in type_)
        return f"STRUCT({members})"
    return _SCALARS[type_]


def known_of(catalog: Iterable[CatalogEntry]) -> Known:
    """What the index's catalog says, as the compiler wants it."""
    columns, rest = [], []
    scopes = {scope.value: scope for scope in Scope}
    for entry in catalog:
        scope = scopes.get(entry.scope)
        if scope is None:
            continue
        if entry.type == "rest":
            rest.append((scope, entry.key))
        else:
            columns.append(AttributeColumn(scope, entry.key, ValueType(entry.type)))
    return Known.of(columns, rest)


@dataclass(frozen=True)
class Source:
    """Some live blocks, in the order in which their spans arrived, and what is known of them."""

    blocks: tuple[Block, ...]
    known: Known
    objects: Objects

    @classmethod
    def find(cls, index: Index, objects: Objects, tenant: str, start_ns: int, end_ns: int) -> "Source":
        """The blocks of a tenant that may hold spans of the inclusive range."""
        blocks = sorted(index.find(tenant, start_ns, end_ns), key=arrival_order)
        catalog = index.catalog(tenant, start_ns, end_ns) if blocks else ()
        return cls(tuple(blocks), known_of(catalog), objects)

    def within(self, blocks: Iterable[Block]) -> "Source":
        """The same, of fewer blocks."""
        return Source(tuple(blocks), self.known, self.objects)

    @property
    def files(self) -> list[str]:
        """What DuckDB calls the blocks."""
        return [self.objects.uri(block.path) for block in self.blocks]

    def whole_rows(self, *where: exp.Expr) -> exp.Select:
        """``SELECT *`` and ``arrival``: every column that one of the blocks has. Opens them all; for a few of them."""
        options: list[exp.Expr] = [exp.EQ(this=exp.column("union_by_name"), expression=exp.true())]
        return exp.select(exp.Star(), _arrival()).from_(self._read(options), copy=False).where(*where, copy=False)

    def table(self, columns: Iterable[str], *, arrival: bool = False, where: Sequence[exp.Expr] = ()) -> exp.Select:
        """``SELECT columns FROM read_parquet([files]) WHERE …``.

        ``arrival`` adds the column of that name, a number that grows in the order in which spans arrived.
        """
        names = sorted(set(columns))
        select: list[exp.Expr] = [exp.column(name) for name in names]
        if arrival:
            select.append(_arrival())
        schema = exp.EQ(this=exp.column("schema"), expression=self._schema(names))
        return exp.select(*select).from_(self._read([schema]), copy=False).where(*where, copy=False)

    def _read(self, options: list[exp.Expr]) -> exp.Table:
        files = exp.Array(expressions=[exp.Literal.string(file) for file in self.files])
        flat = exp.EQ(this=exp.column("hive_partitioning"), expression=exp.false())
        return exp.Table(this=exp.Anonymous(this="read_parquet", expressions=[files, flat, *options]))

    def _schema(self, names: list[str]) -> exp.Expr:
        types = self._types()
        entries = [
            exp.PropertyEQ(this=exp.Literal.string(name), expression=_column(name, duck_type(types[name])))
            for name in names
        ]
        return exp.ToMap(this=exp.Struct(expressions=entries))

    def empty(self, columns: Iterable[str]) -> pa.Table:
        """No rows of these columns."""
        types = self._types()
        return pa.schema([pa.field(name, types[name]) for name in columns]).empty_table()

    def named(self, table: pa.Table) -> pa.Table:
        """A table of some of these columns as a span table, its fields saying which attributes they hold."""
        fields = {column.name: column.field() for columns in self.known.columns.values() for column in columns}
        schema = pa.schema([fields.get(column.name, column) for column in table.schema])
        return table.cast(schema)

    def _types(self) -> dict[str, pa.DataType]:
        fixed = {column.name: column.type for column in FIXED}
        found = {column.name: column.arrow_type for columns in self.known.columns.values() for column in columns}
        return found | fixed


def arrival_order(block: Block) -> tuple[int, str]:
    """A sort key: blocks in the order in which their spans arrived, as far as it is known."""
    return block.created_ns, block.id


def _arrival() -> exp.Expr:
    """Files in the order they are named, rows as they lie in them."""
    place = exp.column("file_index") * exp.Literal.number(_ROWS_PER_FILE) + exp.column("file_row_number")
    return exp.alias_(exp.cast(place, "BIGINT"), ARRIVAL)


def _column(name: str, type_: str) -> exp.Expr:
    members = {"name": exp.Literal.string(name), "type": exp.Literal.string(type_), "default_value": exp.Null()}
    return exp.Struct(
        expressions=[exp.PropertyEQ(this=exp.to_identifier(key), expression=value) for key, value in members.items()]
    )
