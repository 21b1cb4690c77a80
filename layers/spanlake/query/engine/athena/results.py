"""Answers of Athena, which are texts, as tables.

Texts say what single values are; of lists, maps, structs and bytes they do not. Those are written as JSON, and as hex
digits, by what is put around the columns of a query.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlglot import exp

Text = str | None


def readable(query: exp.Select, schema: pa.Schema) -> exp.Select:
    """Return the query with its columns as texts that ``to_table`` reads; ``schema`` tells their names and types."""
    columns: list[exp.Expr] = [exp.column(name) for name in schema.names] if query.is_star else query.selects
    select = [_readable(column, field) for column, field in zip(columns, schema, strict=True)]
    return query.select(*select, append=False)


def _readable(column: exp.Expr, field: "pa.Field[Any]") -> exp.Expr:
    text = _TEXTS.get(type(field.type)) if pa.types.is_nested(field.type) else None
    if pa.types.is_binary(field.type):
        text = _text
    return column if text is None else exp.alias_(text(column.unalias(), field.type), field.name)


def _of_struct(value: exp.Expr, type_: Any) -> exp.Expr:
    members = [
        _text(exp.Bracket(this=value.copy(), expressions=[exp.Literal.number(place)], offset=1), field.type)
        for place, field in enumerate(type_, 1)
    ]
    there = exp.Not(this=exp.Is(this=value.copy(), expression=exp.Null()))
    return exp.Case(ifs=[exp.If(this=there, true=_json(exp.Array(expressions=members)))])


def _of_list(value: exp.Expr, type_: Any) -> exp.Expr:
    text = exp.Lambda(this=_text(exp.column("v"), type_.value_type), expressions=[exp.to_identifier("v")])
    return _json(exp.func("list_transform", value.copy(), text))


def _of_map(value: exp.Expr, _: Any) -> exp.Expr:
    return _json(value.copy())


def _text(value: exp.Expr, type_: pa.DataType) -> exp.Expr:
    return exp.func("to_hex", value.copy()) if pa.types.is_binary(type_) else exp.cast(value.copy(), "VARCHAR")


def _json(texts: exp.Expr) -> exp.Expr:
    return exp.func("json_format", exp.cast(texts, "JSON"))


_TEXTS: Mapping[type, Callable[[exp.Expr, Any], exp.Expr]] = {
    pa.ListType: _of_list,
    pa.MapType: _of_map,
    pa.StructType: _of_struct,
}


def to_table(rows: Iterable[Sequence[Text]], schema: pa.Schema) -> pa.Table:
    """Return the table of rows of texts."""
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    return pa.table([_array(texts, field.type) for texts, field in zip(columns, schema, strict=True)], schema=schema)


def _array(texts: Sequence[Text], type_: pa.DataType) -> "pa.Array[Any]":
    if pa.types.is_binary(type_):
        return pa.array([None if text is None else bytes.fromhex(text) for text in texts], type_)
    if pa.types.is_list(type_):
        lists = [None if text is None else _array(json.loads(text), type_.value_type).to_pylist() for text in texts]
        return pa.array(lists, type_)
    if isinstance(type_, pa.MapType):
        return pa.array([None if text is None else _pairs(json.loads(text), type_) for text in texts], type_)
    if isinstance(type_, pa.StructType):
        members = [json.loads(text) if text is not None else [None] * len(type_) for text in texts]
        arrays = [_array([member[n] for member in members], field.type) for n, field in enumerate(type_)]
        absent = pa.array([text is None for text in texts], pa.bool_())
        return pa.StructArray.from_arrays(arrays, fields=list(type_), mask=absent)
    return pa.array(texts, pa.string()).cast(type_)


def _pairs(found: Mapping[str, Any], type_: "pa.MapType[Any, Any, Any]") -> list[tuple[Any, Any]]:
    keys = _array(list(found), type_.key_type).to_pylist()
    return list(zip(keys, found.values(), strict=True))
