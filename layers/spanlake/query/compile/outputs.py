"""The columns that compiled queries return: their roles, and fields whose value is spread over several."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.fields import FieldCompiler, element_scope
from spanlake.query.compile.predicates import PredicateCompiler
from spanlake.query.compile.sql import Sql
from spanlake.traceql import ast

Field: TypeAlias = "pa.Field[Any]"

_ARROW_TYPES: dict[ast.Type | None, pa.DataType] = {
    ast.Type.INT: pa.int64(),
    ast.Type.DURATION: pa.int64(),
    ast.Type.FLOAT: pa.float64(),
    ast.Type.STRING: pa.string(),
    ast.Type.BOOL: pa.bool_(),
    ast.Type.STATUS: pa.int32(),
    ast.Type.KIND: pa.int32(),
    None: pa.string(),
}


class Role(StrEnum):
    """The content of a column that every query of a kind has; the value is the column's name."""

    STEP = "step"
    COUNT = "spans"
    VALUE = "value"
    POWER = "power"
    BUCKET = "bucket"
    SIDE = "selected"
    START = "exemplar_start"
    TRACE = "exemplar_trace"
    EXEMPLAR = "exemplar"
    FOUND = "found"
    MATCHED = "matched"
    PLACE = "place"


@dataclass(frozen=True)
class ValueColumn:
    """A column that holds a value where it has one type, NULL where it has another."""

    name: str
    type: ast.Type | None
    is_list: bool = False

    @property
    def field(self) -> Field:
        """The column in an answer; values of no type are OTLP JSON."""
        single = _ARROW_TYPES[self.type]
        return pa.field(self.name, pa.list_(single) if self.is_list else single)


@dataclass(frozen=True)
class FieldColumns:
    """The value of a field of a span: its name, a column for each of its possible types, and the SQL of the columns.

    A field of events or links has a value for each of them: ``items`` is the column with a list of structs, which have
    the members ``v0``, ``v1`` and so on for the types.
    """

    name: str
    columns: tuple[ValueColumn, ...]
    select: tuple[exp.Expr, ...]
    items: str | None = None

    @property
    def members(self) -> list[exp.Expr]:
        """The SQL of the columns, given a struct of ``items``; none for a field with one value."""
        if self.items is None:
            return []
        struct = exp.column(self.items)
        return [exp.alias_(values.member(struct.copy(), f"v{k}"), column.name) for k, column in enumerate(self.columns)]


def compile_field(
    fields: FieldCompiler,
    field: ast.Field,
    name: str,
    prefix: str,
    change: Callable[[Sql, int], Sql] | None = None,
) -> FieldColumns:
    """Compile the columns of a field, whose names begin with ``prefix``.

    ``change`` is applied to a list of structs, given their number of members.
    """
    if element_scope(field) is None:
        parts = fields.whole(field)
        columns = [ValueColumn(f"{prefix}_{k}", part.type, part.is_list) for k, part in enumerate(parts)]
        select = [exp.alias_(part.sql, column.name) for part, column in zip(parts, columns, strict=True)]
        return FieldColumns(name, tuple(columns), tuple(select))
    types, items = PredicateCompiler(fields).structs(field)
    columns = [ValueColumn(f"{prefix}_{k}", type_) for k, type_ in enumerate(types)]
    changed = items if change is None else change(items, len(types))
    return FieldColumns(name, tuple(columns), (exp.alias_(changed, prefix),), prefix)


def distinct_structs(items: Sql, members: int) -> Sql:
    """Return the distinct structs of a list without empty ones; a single empty one where there is no other."""

    def there(item: Sql) -> Sql:
        return values.any_of(values.not_null(values.member(item.copy(), f"v{n}")) for n in range(members))

    found = exp.func("list_distinct", values.keep(items, there, "i"))
    one = exp.Array(expressions=[exp.Null()])
    return values.case(exp.EQ(this=exp.func("len", found), expression=exp.Literal.number(0)), one, found.copy())


def selected(columns: Sequence[FieldColumns]) -> list[exp.Expr]:
    """Return the SQL of fields, for a query of its own."""
    return [sql.copy() for column in columns for sql in column.select]
