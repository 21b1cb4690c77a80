"""Comparisons between typed values as SQL: false between values of different kinds, and with nil.

Numbers of all types compare by value, exactly. Lists compare item by item: one matching item suffices, except for
``!=`` and ``!~``, which hold where no item is equal or matches. Two lists are equal if their items are.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from math import ceil, floor, inf, nextafter

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.arithmetic import bare
from spanlake.query.compile.sql import NUMERIC, WHOLE, Sql, TypedSql, TypedValue
from spanlake.traceql import ast
from spanlake.traceql.regex import without_names
from spanlake.traceql.rewrite import FLIPPED
from spanlake.traceql.tokens import MAX_INT, MIN_INT

POSITIVE = {
    ast.BinaryOperator.NOT_EQUAL: ast.BinaryOperator.EQUAL,
    ast.BinaryOperator.NOT_MATCH: ast.BinaryOperator.MATCH,
}
_ABOVE = (ast.BinaryOperator.GREATER, ast.BinaryOperator.GREATER_EQUAL)
_UNEQUAL = ast.BinaryOperator.NOT_EQUAL
_ENUMS = (ast.Type.STATUS, ast.Type.KIND)
Test = Callable[[ast.BinaryOperator, TypedSql], Sql]
"""Tests a single value of a fitting type."""


def compare_literals(op: ast.BinaryOperator, value: TypedValue, statics: Sequence[ast.Static]) -> Sql:
    """Compile a comparison with literals of one type.

    It is true if it holds for any of them, for ``!=`` and ``!~`` if it holds for all.
    """
    kind = kind_of(statics[0].type)

    def test(positive: ast.BinaryOperator, part: TypedSql) -> Sql:
        if positive.is_regex:
            return _matches(positive, part.sql, statics)
        return _with_literals(positive, part, statics)

    found = _with_lists(op, [part for part in value if kind_of(part.type) == kind], test)
    empty = _empty_lists(op, kind, value)
    return values.any_of([found, *empty]) if empty else found


def compare_values(op: ast.BinaryOperator, left: TypedValue, right: TypedValue) -> Sql:
    """Compile a comparison of two values."""
    lists = [part for part in right if part.is_list]
    tests = [_with_single(op, left, part) for part in right if not part.is_list]
    tests += [_with_single(FLIPPED.get(op, op), lists, part) for part in left if not part.is_list]
    return values.any_of([*tests, _between_lists(op, left, right)])


def _empty_lists(op: ast.BinaryOperator, kind: ast.Type | None, value: Iterable[TypedSql]) -> list[Sql]:
    """Compile tests for empty lists, which are unequal to a status or kind although no item can be one."""
    if op is not _UNEQUAL or kind not in _ENUMS:
        return []
    lists = (part.sql for part in value if part.is_list and part.type is not None)
    return [exp.EQ(this=exp.func("len", sql.copy()), expression=exp.Literal.number(0)) for sql in lists]


def kind_of(type_: ast.Type | None) -> ast.Type | None:
    """Return the kind of a type: numbers of all types are one kind."""
    return ast.Type.INT if type_ in NUMERIC else type_


def _fit(one: TypedSql, other: TypedSql) -> bool:
    return one.type is not None and kind_of(one.type) == kind_of(other.type)


def _with_single(op: ast.BinaryOperator, left: Sequence[TypedSql], right: TypedSql) -> Sql:
    fitting = [part for part in left if _fit(part, right)]
    if op.is_regex:
        return values.false()
    found = _with_lists(op, fitting, lambda op, part: _pair(op, part, right))
    if empty := _empty_lists(op, right.type, left):
        found = values.any_of([found, *empty])
    return values.all_of([values.not_null(right.sql.copy()), found]) if op is _UNEQUAL else found


def _with_lists(op: ast.BinaryOperator, fitting: Sequence[TypedSql], test: Test) -> Sql:
    """Compile a test of a value that has these alternatives of the fitting kind."""
    singles = [test(op, part) for part in fitting if not part.is_list]
    lists = [part for part in fitting if part.is_list]
    positive = POSITIVE.get(op)
    if positive is None:
        return values.any_of([*singles, *(_some(part, op, test) for part in lists)])
    none = [values.denied(_some(part, positive, test)) for part in lists]
    there = values.any_of(values.not_null(part.sql.copy()) for part in lists)
    return values.any_of([*singles, *([values.all_of([exp.paren(there), *none])] if lists else [])])


def _some(part: TypedSql, op: ast.BinaryOperator, test: Test) -> Sql:
    return values.some(part.sql.copy(), lambda item: test(op, TypedSql(part.type, item)), "i")


# single values


def _pair(op: ast.BinaryOperator, one: TypedSql, other: TypedSql) -> Sql:
    whole, wholes = one.type in WHOLE, other.type in WHOLE
    if one.type in NUMERIC and whole is not wholes:
        if whole:
            return _whole_with_real(op, one.sql, other.sql)
        return _whole_with_real(FLIPPED.get(op, op), other.sql, one.sql)
    return values.COMPARISONS[op](this=one.sql.copy(), expression=other.sql.copy())


def _whole_with_real(op: ast.BinaryOperator, whole: Sql, real: Sql) -> Sql:
    """Compare an integer with a float: by their order as floats, and exactly where they are equal as floats."""
    near = values.double(whole.copy())
    exact = exp.TryCast(this=real.copy(), to=exp.DataType.build("BIGINT"))
    compared = values.COMPARISONS[op](this=whole.copy(), expression=exact)
    beyond = exp.Boolean(
        this=op in (ast.BinaryOperator.LESS, ast.BinaryOperator.LESS_EQUAL, _UNEQUAL)
    )  # the float is 2^63
    same = exp.EQ(this=near.copy(), expression=real.copy())
    return values.case(
        same, exp.func("coalesce", compared, beyond), values.COMPARISONS[op](this=near, expression=real.copy())
    )


def _with_literals(op: ast.BinaryOperator, part: TypedSql, statics: Sequence[ast.Static]) -> Sql:
    tests = [_with_literal(op, part, static) for static in statics]
    if len(tests) == 1:
        return tests[0]
    inside = [test.expression for test in tests if isinstance(test, exp.EQ | exp.NEQ)]
    if len(inside) < len(tests):
        return values.all_of(tests) if op is _UNEQUAL else values.any_of(tests)
    among = exp.In(this=part.sql.copy(), expressions=inside)
    return exp.not_(among) if op is _UNEQUAL else among


def _with_literal(op: ast.BinaryOperator, part: TypedSql, static: ast.Static) -> Sql:
    if part.type in WHOLE and static.type is ast.Type.FLOAT:
        return _whole_with_float(op, part.sql, float(static.value))
    if part.type is ast.Type.FLOAT and static.type in WHOLE:
        return _real_with_integer(op, part.sql, int(static.value))
    if part.type is ast.Type.FLOAT:
        return _real_with_real(op, part.sql, float(static.value))
    return values.COMPARISONS[op](this=part.sql.copy(), expression=values.literal(static))


def _real_with_real(op: ast.BinaryOperator, sql: Sql, limit: float) -> Sql:
    """Compare floats without NaN, which DuckDB takes for the largest number; what is computed is computed once."""
    computed, literal = bare(sql), values.literal(ast.Static(ast.Type.FLOAT, limit))
    if computed is not sql and op in _ABOVE:
        least = limit if op is ast.BinaryOperator.GREATER_EQUAL else nextafter(limit, inf)
        infinite = values.double(exp.Literal.string("Infinity"))
        low = infinite.copy() if least == inf else values.literal(ast.Static(ast.Type.FLOAT, least))
        return exp.Between(this=computed.copy(), low=low, high=infinite)
    test = values.COMPARISONS[op](this=(sql if op is _UNEQUAL else computed).copy(), expression=literal)
    return exp.and_(test, exp.not_(exp.IsNan(this=sql.copy()))) if op in _ABOVE else test


def _whole_with_float(op: ast.BinaryOperator, sql: Sql, limit: float) -> Sql:
    if op in (ast.BinaryOperator.EQUAL, _UNEQUAL):
        if not limit.is_integer() or not MIN_INT <= limit <= MAX_INT:
            return _constant(sql, holds=op is _UNEQUAL)
        return values.COMPARISONS[op](this=sql.copy(), expression=values.number(int(limit)))
    rounds_up = op in (ast.BinaryOperator.LESS, ast.BinaryOperator.GREATER_EQUAL)
    bound = ceil(limit) if rounds_up else floor(limit)
    if not MIN_INT <= bound <= MAX_INT:
        return _constant(sql, holds=(bound > 0) is (op not in _ABOVE))
    return values.COMPARISONS[op](this=sql.copy(), expression=values.number(bound))


def _real_with_integer(op: ast.BinaryOperator, sql: Sql, limit: int) -> Sql:
    """Compare a float with an integer that may have no equal float: the integer then lies beside the nearest float."""
    near = float(limit)
    if int(near) != limit:
        if op in (ast.BinaryOperator.EQUAL, _UNEQUAL):
            return _constant(sql, holds=op is _UNEQUAL)
        if op in _ABOVE:
            op = ast.BinaryOperator.GREATER_EQUAL if near > limit else ast.BinaryOperator.GREATER
        else:
            op = ast.BinaryOperator.LESS if near > limit else ast.BinaryOperator.LESS_EQUAL
    return _real_with_real(op, sql, near)


def _constant(sql: Sql, *, holds: bool) -> Sql:
    """Return a constant result for every value that is not NULL."""
    return values.not_null(sql.copy()) if holds else values.false()


def _matches(op: ast.BinaryOperator, sql: Sql, statics: Sequence[ast.Static]) -> Sql:
    matches = [full_match(sql.copy(), str(static.value)) for static in statics]
    if op is ast.BinaryOperator.NOT_MATCH:
        return values.all_of(exp.not_(match) for match in matches)
    return values.any_of(matches)


def full_match(sql: Sql, pattern: str) -> Sql:
    """Match RE2 against the whole text; the dot matches line ends too."""
    return exp.func("regexp_full_match", sql, values.text(without_names(pattern)), exp.Literal.string("s"))


# whole lists


def _between_lists(op: ast.BinaryOperator, left: TypedValue, right: TypedValue) -> Sql:
    """Compile a test of equality or inequality of two lists; order does not matter."""
    one, other = (_canonical(part for part in value if part.is_list) for value in (left, right))
    if one is None or other is None or op not in (ast.BinaryOperator.EQUAL, _UNEQUAL):
        return values.false()
    return values.COMPARISONS[op](this=one, expression=other)


def _canonical(lists: Iterable[TypedSql]) -> Sql | None:
    """Return a list of the texts of items, which are equal where the items are."""
    found: list[Sql] = []
    for part in lists:
        texts = values.each(part.sql.copy(), partial(_text, part.type), "i")
        found.insert(0 if part.type is None else len(found), texts)
    return values.first_of(found) if found else None


def _text(type_: ast.Type | None, item: Sql) -> Sql:
    if type_ is None:
        parts = ((of, values.json_member(item.copy(), of)) for of in values.JSON_MEMBERS)
        return exp.func("coalesce", *(_text(of, member) for of, member in parts))
    text: Sql = exp.cast(item.copy(), "VARCHAR")
    if type_ is ast.Type.FLOAT:
        whole = exp.TryCast(this=item.copy(), to=exp.DataType.build("BIGINT"))
        is_whole = exp.EQ(this=values.double(whole), expression=item.copy())
        text = values.case(is_whole, exp.cast(whole.copy(), "VARCHAR"), text)
    return exp.DPipe(this=exp.Literal.string(f"{kind_of(type_)} "), expression=text)
