"""Answers of Athena, which are texts, as tables.

Texts say what single values are; of lists, structs and bytes they do not. Those are written as JSON arrays of texts,
and as hex digits, by what is put around the columns of a query.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

from spanlake.query.outside import Uncovered

Text = str | None


def readable(query: exp.Select, schema: pa.Schema) -> exp.Select:
    """The query with its columns as texts that ``to_table`` reads; ``schema`` tells their types. Raises Uncovered."""
    if query.is_star:
        raise Uncovered("it has no structural operators")
    select = [_readable(column, field) for column, field in zip(query.selects, schema, strict=True)]
    return query.select(*select, append=False)


def _readable(column: exp.Expr, field: "pa.Field[Any]") -> exp.Expr:
    value = column.unalias()
    if isinstance(field.type, pa.StructType):
        return exp.alias_(_least(value, field.type), field.name)
    if pa.types.is_list(field.type):
        text = exp.Lambda(this=_text(exp.column("v"), field.type.value_type), expressions=[exp.to_identifier("v")])
        return exp.alias_(_json(exp.func("list_transform", value.copy(), text)), field.name)
    return exp.alias_(_text(value, field.type), field.name) if pa.types.is_binary(field.type) else column


def _least(value: exp.Expr, type_: pa.StructType) -> exp.Expr:
    """The least of structs. By all members there is none where one of them can be NULL: it goes by all but the last."""
    if not (isinstance(value, exp.Min) and isinstance(value.this, exp.Struct)):
        raise Uncovered("it gives no structs")
    members = [member.expression for member in value.this.expressions]
    texts = [_text(member, field.type) for member, field in zip(members, type_, strict=True)]
    key = exp.func("row", *(member.copy() for member in members[:-1]))
    return exp.Anonymous(this="min_by", expressions=[_json(exp.Array(expressions=texts)), key])


def _text(value: exp.Expr, type_: pa.DataType) -> exp.Expr:
    return exp.func("to_hex", value.copy()) if pa.types.is_binary(type_) else exp.cast(value.copy(), "VARCHAR")


def _json(texts: exp.Expr) -> exp.Expr:
    return exp.func("json_format", exp.cast(texts, "JSON"))


def to_table(rows: Iterable[Sequence[Text]], schema: pa.Schema) -> pa.Table:
    """The table of rows of texts."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([_array(texts, field.type) for texts, field in zip(columns, schema, strict=True)], schema=schema)


def _array(texts: Sequence[Text], type_: pa.DataType) -> "pa.Array[Any]":
    if pa.types.is_binary(type_):
        return pa.array([None if text is None else bytes.fromhex(text) for text in texts], type_)
    if pa.types.is_list(type_):
        lists = [None if text is None else _array(json.loads(text), type_.value_type).to_pylist() for text in texts]
        return pa.array(lists, type_)
    if isinstance(type_, pa.StructType):
        members = [json.loads(text) if text is not None else [None] * len(type_) for text in texts]
        arrays = [_array([member[n] for member in members], field.type) for n, field in enumerate(type_)]
        return pa.StructArray.from_arrays(arrays, fields=list(type_))
    return pa.array(texts, pa.string()).cast(type_)
