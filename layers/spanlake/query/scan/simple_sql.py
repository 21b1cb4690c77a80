"""Evaluates simple SQL over a few rows in Arrow: DuckDB takes longer to plan a statement.

Simple is what means the same to both: comparisons of texts, whole numbers and truth values with constants of their
type, put together by AND, OR and NOT, COALESCE with a constant, and columns as they are.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc
from sqlglot import exp

from spanlake.query.compile.fields import SPAN
from spanlake.spans.arrow import Array, as_array

_Kernels: TypeAlias = dict[type[exp.Expr], Callable[[Any, Any], Any]]
_EQUAL: _Kernels = {exp.EQ: pc.equal, exp.NEQ: pc.not_equal}
_ORDER: _Kernels = {exp.GT: pc.greater, exp.GTE: pc.greater_equal, exp.LT: pc.less, exp.LTE: pc.less_equal}
_LOGIC: _Kernels = {exp.And: pc.and_kleene, exp.Or: pc.or_kleene}
_INT64 = range(-(2**63), 2**63)


def is_simple(sql: exp.Expr, types: pa.Schema) -> bool:
    """True where the SQL of a span can be evaluated, given the types of its columns."""
    return _value(sql, types.empty_table()) is not None


def evaluated(sql: exp.Expr, spans: pa.Table) -> Array:
    """Evaluate simple SQL for each span."""
    value = _value(sql, spans)
    is_constant = isinstance(value, pa.Scalar)
    found: Array = pa.array([value.as_py()] * spans.num_rows, value.type) if is_constant else value
    return found


def _value(sql: exp.Expr, spans: pa.Table) -> Any:
    """Return a column of values, or a constant; None of SQL that is not simple."""
    match sql:
        case exp.Alias() | exp.Paren():
            return _value(sql.this, spans)
        case exp.Column():
            return as_array(spans[sql.name]) if sql.table == SPAN and sql.name in spans.column_names else None
        case exp.Boolean():
            return pa.scalar(bool(sql.this))
        case exp.Literal() | exp.Neg():
            return _constant(sql)
        case exp.Not():
            value = _value(sql.this, spans)
            return None if value is None or not pa.types.is_boolean(value.type) else pc.invert(value)
        case exp.Coalesce():
            return _coalesced([_value(part, spans) for part in (sql.this, *sql.expressions)])
        case exp.Binary():
            return _of_two(type(sql), _value(sql.this, spans), _value(sql.expression, spans))
    return None


def _constant(sql: exp.Expr) -> Any:
    sign, literal = (-1, sql.this) if isinstance(sql, exp.Neg) else (1, sql)
    if not isinstance(literal, exp.Literal):
        return None
    if literal.is_string:
        return pa.scalar(literal.name) if sign > 0 else None
    is_whole = literal.name.isdigit() and sign * int(literal.name) in _INT64
    return pa.scalar(sign * int(literal.name)) if is_whole else None


def _of_two(kind: type[exp.Expr], left: Any, right: Any) -> Any:
    if left is None or right is None:
        return None
    types = left.type, right.type
    if kind in _LOGIC:
        return _LOGIC[kind](left, right) if all(map(pa.types.is_boolean, types)) else None
    are_numbers = all(map(pa.types.is_integer, types))
    if kind in _ORDER:
        return _ORDER[kind](left, right) if are_numbers else None
    are_alike = are_numbers or (types[0] == types[1] and types[0] in (pa.string(), pa.bool_()))
    return _EQUAL[kind](left, right) if kind in _EQUAL and are_alike else None


def _coalesced(values: list[Any]) -> Any:
    """Return the first value that is not NULL, of the first one's type."""
    if any(value is None for value in values):
        return None
    type_ = values[0].type
    if not (all(value.type == type_ for value in values) or all(pa.types.is_integer(value.type) for value in values)):
        return None
    try:
        return reduce(pc.coalesce, (value.cast(type_) for value in values))
    except pa.ArrowInvalid:  # a number is too large for the type
        return None
