"""Compiles field expressions to SQL: values of several possible types, and the truth of a filter.

A filter is a logical expression over all fields of a span: a comparison is true or false, even where fields are nil. An
expression that reads events or links is evaluated for each of them, or once without any where a span has none.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.arithmetic import Number, compute, negated
from spanlake.query.compile.comparisons import compare_literals, compare_values, full_match
from spanlake.query.compile.fields import FieldCompiler, element_scope, span_column
from spanlake.query.compile.sql import NUMERIC, Sql, TypedSql, TypedValue
from spanlake.spans.ids import parse_id
from spanlake.traceql import ast
from spanlake.traceql.ast.walk import span_fields
from spanlake.traceql.rewrite import Comparison, comparison, conjuncts

_LEADING_ZEROS = re.compile(r"0+(?![*+?{])")
_ALL_HOLD = (ast.BinaryOperator.NOT_EQUAL, ast.BinaryOperator.NOT_MATCH)
_ID_BYTES = {ast.Intrinsic.TRACE_ID: 16, ast.Intrinsic.SPAN_ID: 8, ast.Intrinsic.PARENT_ID: 8}
_ID_COLUMNS = {
    ast.Intrinsic.TRACE_ID: "trace_id",
    ast.Intrinsic.SPAN_ID: "span_id",
    ast.Intrinsic.PARENT_ID: "parent_span_id",
}
_IDS = frozenset((*_ID_BYTES, ast.Intrinsic.LINK_TRACE_ID, ast.Intrinsic.LINK_SPAN_ID))
_VARIABLES = {ast.AttributeScope.EVENT: "e", ast.AttributeScope.LINK: "l"}

_SQL_TYPES: dict[ast.Type | None, str] = {
    ast.Type.INT: "BIGINT",
    ast.Type.DURATION: "BIGINT",
    ast.Type.FLOAT: "DOUBLE",
    ast.Type.STRING: "VARCHAR",
    ast.Type.BOOL: "BOOLEAN",
    ast.Type.STATUS: "INTEGER",
    ast.Type.KIND: "INTEGER",
    None: "VARCHAR",
}

Scopes = tuple[ast.AttributeScope, ...]


def element_scopes(expression: ast.FieldExpression) -> Scopes:
    """Return which of events and links an expression reads."""
    found = {element_scope(field) for field in span_fields(expression)}
    return tuple(scope for scope in _VARIABLES if scope in found)


@dataclass(frozen=True)
class PredicateCompiler:
    """A compiler of field expressions over the fields of one relation."""

    fields: FieldCompiler

    def filter(self, expression: ast.FieldExpression) -> Sql:
        """Compile the truth of a spanset filter; NULL counts as false."""
        return values.all_of(self.tests(expression))

    def tests(self, expression: ast.FieldExpression) -> list[Sql]:
        """Compile a spanset filter as tests that all must hold.

        Conditions on events must hold for one event; those that read no element are tested once.
        """
        by_scopes: dict[Scopes, list[ast.FieldExpression]] = {}
        for part in conjuncts(expression):
            by_scopes.setdefault(element_scopes(part), []).append(part)
        tests = [self.truth(part) for part in by_scopes.pop((), [])]
        if len(by_scopes) > 1 and tuple(_VARIABLES) in by_scopes:
            by_scopes = {tuple(_VARIABLES): [part for found in by_scopes.values() for part in found]}
        return tests + [self._joint(scopes, found) for scopes, found in by_scopes.items()]

    def _joint(self, scopes: Scopes, parts: list[ast.FieldExpression]) -> Sql:
        one = parts[0]
        if len(parts) == 1 and isinstance(one, ast.Binary) and one.op is ast.BinaryOperator.OR and not comparison(one):
            return values.any_of([self.filter(one.left), self.filter(one.right)])
        return self._of_some(scopes, lambda bound: values.all_of(bound.truth(part) for part in parts))

    def _of_some(self, scopes: Scopes, test: Callable[["PredicateCompiler"], Sql]) -> Sql:
        """Compile a test that is true where it holds for one of the events or links.

        Of a span without any it is true where it holds without an event or link.
        """
        if not scopes:
            return test(self)
        scope, others = scopes[0], scopes[1:]
        items = self.fields.elements_of(scope)
        some = values.some(items, lambda e: self._bound(scope, e)._of_some(others, test), _VARIABLES[scope])
        without = self._bound(scope, None)._of_some(others, test)
        return values.any_of([some, values.all_of([values.is_null(items.copy()), without])])

    def _bound(self, scope: ast.AttributeScope, element: Sql | None) -> "PredicateCompiler":
        return PredicateCompiler(self.fields.bound(scope, element))

    # truth

    def truth(self, expression: ast.FieldExpression) -> Sql:
        """Compile the truth of an expression for one event and one link; NULL counts as false."""
        found = comparison(expression)
        if found is not None:
            return self.comparison(found)
        match expression:
            case ast.Exists():
                return self._existence(expression)
            case ast.Unary(op=ast.UnaryOperator.NOT):
                return self._denial(expression.operand)
            case ast.Binary() if expression.op.is_logical:
                join = values.all_of if expression.op is ast.BinaryOperator.AND else values.any_of
                return join([self.truth(expression.left), self.truth(expression.right)])
            case ast.Binary() if not expression.op.is_arithmetic:
                return self._comparison(expression)
            case _:
                return self._boolean(expression)

    def _denial(self, operand: ast.FieldExpression) -> Sql:
        """Compile a negation, which is nil where the field is nil."""
        if _may_be_nil(operand):
            return values.opposite(self._boolean(operand))
        return values.denied(self.truth(operand))

    def _boolean(self, expression: ast.FieldExpression) -> Sql:
        """Compile a boolean, NULL where the expression is nil or not a boolean."""
        if isinstance(expression, ast.Unary) and expression.op is ast.UnaryOperator.NOT:
            return self._denial(expression.operand)
        found = [part.sql for part in self.value(expression) if part.type is ast.Type.BOOL and not part.is_list]
        return values.first_of(found) if found else exp.null()

    def _existence(self, expression: ast.Exists) -> Sql:
        operand = expression.operand
        if isinstance(operand, ast.Attribute | ast.IntrinsicField):
            there = self.fields.exists(operand)
        elif isinstance(operand, ast.Unary) and operand.op is ast.UnaryOperator.NOT:
            there = values.not_null(exp.paren(self._denial(operand.operand)))
        else:
            there = values.present(self.value(operand))
        return values.opposite(there) if expression.negated else there

    def _comparison(self, expression: ast.Binary) -> Sql:
        left, right = self.value(expression.left), self.value(expression.right)
        if _is_id(expression.left) or _is_id(expression.right):
            left, right = (tuple(_plain(part) for part in value) for value in (left, right))
        if expression.op.is_regex:
            assert isinstance(expression.right, ast.Static)
            return compare_literals(expression.op, left, [expression.right])
        if isinstance(expression.right, ast.Static):
            return compare_literals(expression.op, left, [expression.right])
        return compare_values(expression.op, left, right)

    # comparisons of fields with literals

    def comparison(self, item: Comparison) -> Sql:
        """Compile a comparison of a field's value."""
        if isinstance(item.field, ast.IntrinsicField):
            special = self._id_comparison(item.field, item) or self._root_comparison(item)
            if special is not None:
                return special
            if item.field.intrinsic is ast.Intrinsic.DURATION and not item.field.parent and _are_positive(item.statics):
                column = TypedSql(ast.Type.DURATION, span_column("duration_nano"))
                return compare_literals(item.op, (column,), item.statics)
            if item.field == ast.IntrinsicField(ast.Intrinsic.STATUS) and _is_set(item):
                column = TypedSql(ast.Type.STATUS, span_column("status_code"))  # storage tests a bare column
                return compare_literals(item.op, (column,), item.statics)
        return compare_literals(item.op, self.fields.value(item.field), item.statics)

    def _id_comparison(self, field: ast.IntrinsicField, item: Comparison) -> Sql | None:
        """Compare ids without regard to leading zeros and case; as bytes where storage can then skip blocks."""
        if field.intrinsic not in _IDS or item.statics[0].type is not ast.Type.STRING:
            return None
        if item.op.is_regex:
            return self._id_matches(field, item)
        as_bytes = self._id_bytes(field, item)
        if as_bytes is not None:
            return as_bytes
        plain = tuple(_plain(part) for part in self.fields.value(field))
        literals = [replace(static, value=_without_zeros(str(static.value))) for static in item.statics]
        return compare_literals(item.op, plain, literals)

    def _id_bytes(self, field: ast.IntrinsicField, item: Comparison) -> Sql | None:
        size = _ID_BYTES.get(field.intrinsic)
        if size is None or field.parent or item.op not in (ast.BinaryOperator.EQUAL, ast.BinaryOperator.NOT_EQUAL):
            return None
        ids = [_id_bytes(str(static.value), size) for static in item.statics]
        if any(id_ is None for id_ in ids):
            return None
        column = span_column(_ID_COLUMNS[field.intrinsic])
        inside: Sql = exp.In(this=column, expressions=[exp.HexString(this=id_) for id_ in ids])
        if item.op is ast.BinaryOperator.EQUAL:
            return inside
        return values.denied(inside)  # a root's parent id, which is empty, is NULL in storage

    def _id_matches(self, field: ast.IntrinsicField, item: Comparison) -> Sql:
        """Match an id against a regular expression, with its leading zeros or without."""
        (value,) = self.fields.value(field) or (None,)
        if value is None:
            return values.false()
        plain = _plain(value).sql
        tests = []
        for static in item.statics:
            pattern = str(static.value)
            shorter = _LEADING_ZEROS.sub("", pattern, count=1) if _LEADING_ZEROS.match(pattern) else pattern
            tests += [full_match(value.sql.copy(), f"(?i:{pattern})")]
            tests += [full_match(plain.copy(), f"(?i:{one})") for one in dict.fromkeys((pattern, shorter))]
        found = values.any_of(tests)
        if item.op is ast.BinaryOperator.MATCH:
            return found
        return values.all_of([values.not_null(value.sql.copy()), values.opposite(found)])

    def _root_comparison(self, item: Comparison) -> Sql | None:
        """Compile ``nestedSetParent < 0`` and similar, which only select roots, without numbering the tree.

        nestedSetParent is -1 for a root, 0 for a span without a root, and at least 1 for any other span.
        """
        is_parent_number = item.field == ast.IntrinsicField(ast.Intrinsic.NESTED_SET_PARENT)
        if not is_parent_number or item.op not in values.COMPARISONS or item.statics[0].type is not ast.Type.INT:
            return None
        at_root, orphan = (_holds_for(item, place) for place in (-1, 0))
        limit = max(1, *(int(static.value) for static in item.statics)) + 1
        if any(_holds_for(item, place) is not orphan for place in (1, limit - 1, limit)):
            return None
        root = values.is_null(span_column("parent_span_id"))
        if at_root == orphan:
            return exp.Boolean(this=at_root)
        return root if at_root else exp.not_(root)

    # values

    def value(self, expression: ast.FieldExpression) -> TypedValue:
        """Compile the value of an expression for one event and one link, by its possible types."""
        match expression:
            case ast.Static():
                return (TypedSql(expression.type, values.literal(expression)),)
            case ast.Attribute() | ast.IntrinsicField():
                return self.fields.value(expression)
            case ast.Unary(op=ast.UnaryOperator.NEGATE):
                return self._negated(self.value(expression.operand))
            case ast.Unary():
                return (TypedSql(ast.Type.BOOL, exp.paren(self._denial(expression.operand))),)
            case ast.Binary() if expression.op.is_arithmetic:
                left, right = self._number(expression.left), self._number(expression.right)
                return compute(expression.op, left, right).value
            case _:
                truth = self.truth(expression)
                sql = truth if isinstance(truth, exp.Boolean) else exp.func("coalesce", truth, exp.false())
                return (TypedSql(ast.Type.BOOL, sql),)

    @staticmethod
    def _negated(operand: TypedValue) -> TypedValue:
        found = negated(Number.of(operand)).value
        is_duration = any(part.type is ast.Type.DURATION for part in operand)
        if not is_duration:
            return found
        return tuple(replace(part, type=ast.Type.DURATION) if part.type is ast.Type.INT else part for part in found)

    def _number(self, expression: ast.FieldExpression) -> Number:
        value = self.value(expression)
        if isinstance(expression, ast.Static) and expression.type is not ast.Type.FLOAT:
            value = tuple(replace(part, sql=exp.cast(part.sql, "BIGINT")) for part in value if part.type in NUMERIC)
        return Number.of(value)

    def whole(self, expression: ast.FieldExpression) -> TypedValue:
        """Compile the value of an expression for results and grouping, for one event and one link."""
        if isinstance(expression, ast.Attribute | ast.IntrinsicField):
            return self.fields.whole(expression)
        return self.value(expression)

    def structs(self, expression: ast.FieldExpression) -> tuple[list[ast.Type | None], Sql]:
        """Compile an expression for each of the events or links that it reads, or once without any.

        Returns the types, and a list of structs with a member for each type.
        """
        bound = self
        for scope in element_scopes(expression):
            bound = bound._bound(scope, exp.column(_VARIABLES[scope]))
        types = [part.type for part in bound.whole(expression)]

        def read(predicates: PredicateCompiler) -> list[Sql]:
            found = {part.type: part.sql for part in predicates.whole(expression)}
            return [values.struct(exp.cast(found.get(type_, exp.Null()), _SQL_TYPES[type_]) for type_ in types)]

        (items,) = self.each(expression, read)
        return types, items

    def each(self, expression: ast.FieldExpression, read: Callable[["PredicateCompiler"], list[Sql]]) -> list[Sql]:
        """Compile lists of the values that ``read`` returns.

        A list has an item for each event or link that the expression reads, otherwise a single item.
        """
        return self._listed(element_scopes(expression), read)

    def _listed(self, scopes: Scopes, read: Callable[["PredicateCompiler"], list[Sql]]) -> list[Sql]:
        if not scopes:
            return [exp.Array(expressions=[sql]) for sql in read(self)]
        scope, others = scopes[0], scopes[1:]
        items = self.fields.elements_of(scope)
        of_none = self._bound(scope, None)._listed(others, read)
        found: list[Sql] = []
        for n, without in enumerate(of_none):
            inner = _Item(self, scope, others, read, n)
            lists = values.each(items.copy(), inner.of, _VARIABLES[scope])
            found.append(exp.func("coalesce", exp.func("flatten", lists), without))
        return found


@dataclass(frozen=True)
class _Item:
    """The fields that are read of one event or link, as a list."""

    predicates: PredicateCompiler
    scope: ast.AttributeScope
    others: Scopes
    read: Callable[[PredicateCompiler], list[Sql]]
    place: int

    def of(self, element: Sql) -> Sql:
        return self.predicates._bound(self.scope, element)._listed(self.others, self.read)[self.place]


def _may_be_nil(operand: ast.FieldExpression) -> bool:
    if isinstance(operand, ast.Unary) and operand.op is ast.UnaryOperator.NOT:
        return _may_be_nil(operand.operand)
    return isinstance(operand, ast.Attribute | ast.IntrinsicField)


def _are_positive(statics: Iterable[ast.Static]) -> bool:
    return all(
        static.type in NUMERIC and isinstance(static.value, int | float) and static.value > 0 for static in statics
    )


def _is_set(item: Comparison) -> bool:
    """True where only a status that is stored can meet the comparison: an unset one is NULL in storage."""
    return item.op is ast.BinaryOperator.EQUAL and all(static.value != 0 for static in item.statics)


def _is_id(expression: ast.FieldExpression) -> bool:
    return isinstance(expression, ast.IntrinsicField) and expression.intrinsic in _IDS


def _plain(part: TypedSql) -> TypedSql:
    """Normalize a text for comparison with ids: lower case, without leading zeros."""
    if part.type is not ast.Type.STRING or part.is_list:
        return part
    return replace(part, sql=exp.func("ltrim", exp.func("lower", part.sql.copy()), exp.Literal.string("0")))


def _without_zeros(text: str) -> str:
    return text.lower().lstrip("0")


def _id_bytes(text: str, size: int) -> str | None:
    """Return an id as hex digits of its full length; None for other text, and for the id zero, which no span has."""
    found = parse_id(text, size)
    return found.hex().upper() if found is not None and any(found) else None


def _holds_for(item: Comparison, value: int) -> bool:
    compare = {
        ast.BinaryOperator.EQUAL: value.__eq__,
        ast.BinaryOperator.NOT_EQUAL: value.__ne__,
        ast.BinaryOperator.LESS: value.__lt__,
        ast.BinaryOperator.LESS_EQUAL: value.__le__,
        ast.BinaryOperator.GREATER: value.__gt__,
        ast.BinaryOperator.GREATER_EQUAL: value.__ge__,
    }[item.op]
    results = [bool(compare(int(static.value))) for static in item.statics]
    return all(results) if item.op in _ALL_HOLD else any(results)
