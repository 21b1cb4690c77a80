"""Field expressions to SQL: values of several possible types, and the truth of a filter.

A comparison between types that do not go together is false, as in Tempo's engine; so is one with nil. What is compared
with a literal must be of the literal's type (``{ span.x = 1 }`` finds integers only), while expressions mix numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from spanlake.spans.ids import parse_id
from spanlake.traceql import values
from spanlake.traceql.conditions import (
    Comparison,
    Condition,
    Conditions,
    comparison,
    conditions,
    conjuncts,
    needs_candidates,
)
from spanlake.traceql.fields import Fields
from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Binary,
    BinaryOperator,
    Exists,
    Field,
    FieldExpression,
    Intrinsic,
    IntrinsicField,
    Static,
    Type,
    Unary,
    UnaryOperator,
)
from spanlake.traceql.values import NUMERIC, Alternative, Sql, Value

_ALL_HOLD = (BinaryOperator.NOT_EQUAL, BinaryOperator.NOT_MATCH)
_ID_BYTES = {
    Intrinsic.TRACE_ID: 16,
    Intrinsic.SPAN_ID: 8,
    Intrinsic.PARENT_ID: 8,
}
_ID_COLUMNS = {
    Intrinsic.TRACE_ID: "trace_id",
    Intrinsic.SPAN_ID: "span_id",
    Intrinsic.PARENT_ID: "parent_span_id",
}


@dataclass(frozen=True)
class Predicates:
    """Compiles field expressions against the fields of one relation."""

    fields: Fields

    def filter(self, expression: FieldExpression) -> Sql:
        """The truth of a spanset filter; NULL counts as false."""
        truth = self._joined(expression)
        if not needs_candidates(expression):
            return truth
        wanted = conditions(expression)
        return exp.and_(truth, self.candidates(wanted)) if wanted.items else truth

    def candidates(self, wanted: Conditions) -> Sql:
        """Which spans storage would hand over for these conditions."""
        tests = (self.condition(item) for item in wanted.items)
        return values.all_of(tests) if wanted.all_met else values.any_of(tests)

    def condition(self, item: Condition) -> Sql:
        """Whether a span meets one condition."""
        if isinstance(item, Comparison):
            return self.compare(item)
        return self.fields.lacks(item.field) if item.absent else self.fields.dedicated.exists(item.field)

    # truth

    def truth(self, expression: FieldExpression) -> Sql:
        """The truth of a boolean expression; NULL counts as false."""
        found = comparison(expression)
        if found is not None:
            return self.compare(found)
        if isinstance(expression, Exists):
            return self._existence(expression)
        if isinstance(expression, Unary) and expression.op is UnaryOperator.NOT:
            return self._denial(expression.operand)
        if isinstance(expression, Binary) and expression.op.is_logical:
            join = exp.and_ if expression.op is BinaryOperator.AND else exp.or_
            return join(self.truth(expression.left), self.truth(expression.right))
        if isinstance(expression, Binary):
            return self._compare_values(expression.op, self.value(expression.left), self.value(expression.right))
        return values.any_of(a.sql for a in self.value(expression) if a.type is Type.BOOL and not a.is_list)

    def _denial(self, operand: FieldExpression) -> Sql:
        """The opposite; of a field that is nil there is none."""
        truth = self.truth(operand)
        if isinstance(operand, Attribute | IntrinsicField):
            return exp.not_(exp.paren(truth))
        return exp.not_(exp.func("coalesce", truth, exp.false()))

    def _existence(self, expression: Exists) -> Sql:
        if isinstance(expression.operand, Attribute | IntrinsicField):
            operand = expression.operand
            return self.fields.lacks(operand) if expression.negated else self.fields.dedicated.exists(operand)
        there = exp.paren(values.present(self.value(expression.operand)))
        return exp.not_(there) if expression.negated else there

    def _joined(self, expression: FieldExpression) -> Sql:
        """Truth, with the rule that conditions on events that must all hold, must hold for one and the same event."""
        parts = list(conjuncts(expression))
        groups: dict[AttributeScope, list[Comparison]] = {AttributeScope.EVENT: [], AttributeScope.LINK: []}
        others = []
        for part in parts:
            found = comparison(part)
            scope = _element_scope(found.field) if found else None
            if found and scope:
                groups[scope].append(found)
            else:
                others.append(self.truth(part))
        joint = [self._same_element(group) for group in groups.values() if group]
        return values.all_of(others + joint)

    def _same_element(self, group: list[Comparison]) -> Sql:
        def holds(element: Sql) -> Sql:
            return values.all_of(self._compare_all(item, self.fields.of_element(item.field, element)) for item in group)

        return self.fields.some_element(group[0].field, holds)

    # comparisons with literals

    def compare(self, item: Comparison) -> Sql:
        """Whether a field's value meets a comparison; of an event's or a list's items one is enough."""
        special = self._id_comparison(item) or self._root_comparison(item)
        if special is not None:
            return special
        if _element_scope(item.field):
            return self._same_element([item])
        return self._compare_all(item, self.fields.value(item.field))

    def _compare_all(self, item: Comparison, value: Value) -> Sql:
        fitting = [a for a in value if _fits(a.type, item.statics[0].type, item.field)]
        return values.any_of(self._test_alternative(a, lambda sql: self.holds(item, sql)) for a in fitting)

    @staticmethod
    def _test_alternative(alternative: Alternative, test: Callable[[Sql], Sql]) -> Sql:
        return values.some(alternative.sql, test) if alternative.is_list else test(alternative.sql)

    def holds(self, item: Comparison, sql: Sql) -> Sql:
        """Whether one value of a fitting type meets the comparison."""
        if item.op.is_regex:
            return self._regex(item, sql)
        literals = [values.literal(static) for static in item.statics]
        if len(literals) > 1:
            inside = exp.In(this=sql, expressions=literals)
            return exp.not_(inside) if item.op is BinaryOperator.NOT_EQUAL else inside
        return values.compared(item.op, sql, literals[0])

    @staticmethod
    def _regex(item: Comparison, sql: Sql) -> Sql:
        matches = [_full_match(sql, str(static.value)) for static in item.statics]
        if item.op is BinaryOperator.NOT_MATCH:
            return values.all_of(exp.not_(match) for match in matches)
        return values.any_of(matches)

    def _id_comparison(self, item: Comparison) -> Sql | None:
        """Ids are compared as bytes, which lets storage skip what can not match."""
        if not isinstance(item.field, IntrinsicField) or item.field.intrinsic not in _ID_BYTES:
            return None
        if item.op not in (BinaryOperator.EQUAL, BinaryOperator.NOT_EQUAL):
            return None
        size = _ID_BYTES[item.field.intrinsic]
        ids = [_id_bytes(str(static.value), size) for static in item.statics]
        if any(id_ is None for id_ in ids):
            return None
        column = self.fields.column(_ID_COLUMNS[item.field.intrinsic], parent=item.field.parent)
        inside: Sql = exp.In(this=column, expressions=[exp.HexString(this=id_) for id_ in ids])
        if item.op is BinaryOperator.EQUAL:
            return inside
        is_roots = item.field == IntrinsicField(Intrinsic.PARENT_ID)  # a root's, which is empty, is NULL in storage
        return exp.not_(exp.func("coalesce", inside, exp.false()) if is_roots else inside)

    def _root_comparison(self, item: Comparison) -> Sql | None:
        """``nestedSetParent < 0`` and the like ask only for root spans: no tree has to be numbered for that.

        A root's nestedSetParent is -1, that of a span whose ancestors are missing 0, of any other at least 1.
        """
        is_parent_number = item.field == IntrinsicField(Intrinsic.NESTED_SET_PARENT)
        if not is_parent_number or item.op not in values.COMPARISONS or item.statics[0].type is not Type.INT:
            return None
        at_root, orphan = (_holds_for(item, place) for place in (-1, 0))
        limit = max(1, *(int(static.value) for static in item.statics)) + 1
        if any(_holds_for(item, place) is not orphan for place in (1, limit - 1, limit)):
            return None
        root = values.is_null(self.fields.column("parent_span_id"))
        if at_root == orphan:
            return exp.Boolean(this=at_root)
        return root if at_root else exp.not_(root)

    # values

    def value(self, expression: FieldExpression) -> Value:
        """The value of an expression, by the types it can have."""
        if isinstance(expression, Static):
            return (Alternative(expression.type, values.literal(expression)),)
        if isinstance(expression, Attribute | IntrinsicField):
            return self.fields.fetched(expression)
        if isinstance(expression, Unary) and expression.op is UnaryOperator.NEGATE:
            operand = self.value(expression.operand)
            return tuple(
                Alternative(a.type, exp.func("try", exp.Neg(this=exp.paren(a.sql))))
                for a in operand
                if a.type in NUMERIC and not a.is_list
            )
        if isinstance(expression, Binary) and expression.op.is_arithmetic:
            return self._arithmetic(expression.op, self.value(expression.left), self.value(expression.right))
        return (Alternative(Type.BOOL, exp.paren(self.truth(expression))),)

    @staticmethod
    def _arithmetic(op: BinaryOperator, left: Value, right: Value) -> Value:
        by_type: dict[Type, list[Sql]] = {}
        for a in _numbers(left):
            for b in _numbers(right):
                whole = a.type is b.type is Type.INT
                sql = _whole_arithmetic(op, a.sql, b.sql) if whole else _float_arithmetic(op, a.sql, b.sql)
                by_type.setdefault(Type.INT if whole else Type.FLOAT, []).append(sql)
        return tuple(
            Alternative(type_, sqls[0] if len(sqls) == 1 else exp.func("coalesce", *sqls))
            for type_, sqls in by_type.items()
        )

    def _compare_values(self, op: BinaryOperator, left: Value, right: Value) -> Sql:
        tests = [self._compare_pair(op, a, b) for a in left for b in right if _comparable(op, a, b)]
        return values.any_of(tests)

    def _compare_pair(self, op: BinaryOperator, a: Alternative, b: Alternative) -> Sql:
        if a.is_list:
            return values.some(a.sql, lambda x: self._compare_pair(op, Alternative(a.type, x), b), "x")
        if b.is_list:
            return values.some(b.sql, lambda y: self._compare_pair(op, a, Alternative(b.type, y)), "y")
        if op.is_regex:
            match = exp.func("regexp_full_match", a.sql, b.sql)
            return exp.not_(match) if op is BinaryOperator.NOT_MATCH else match
        return values.COMPARISONS[op](this=a.sql, expression=b.sql)


def _element_scope(field: Field) -> AttributeScope | None:
    if isinstance(field, Attribute):
        return field.scope if field.scope in (AttributeScope.EVENT, AttributeScope.LINK) else None
    if field.intrinsic in (Intrinsic.EVENT_NAME, Intrinsic.EVENT_TIME_SINCE_START):
        return AttributeScope.EVENT
    return AttributeScope.LINK if field.intrinsic in (Intrinsic.LINK_TRACE_ID, Intrinsic.LINK_SPAN_ID) else None


def _fits(stored: Type, wanted: Type, field: Field) -> bool:
    """Whether a value of a type can meet a literal of another; the durations of intrinsics go with any number."""
    if stored is wanted:
        return True
    return isinstance(field, IntrinsicField) and stored in NUMERIC and wanted in NUMERIC


def _numbers(value: Value) -> list[Alternative]:
    return [a for a in value if a.type in NUMERIC and not a.is_list]


def _comparable(op: BinaryOperator, a: Alternative, b: Alternative) -> bool:
    if op.is_regex:
        return a.type is b.type is Type.STRING
    return a.type is b.type or (a.type in NUMERIC and b.type in NUMERIC)


def _whole_arithmetic(op: BinaryOperator, left: Sql, right: Sql) -> Sql:
    """Arithmetic between integers stays whole; what does not fit 64 bits is nil.

    The power operator takes its operands the wrong way round where both are integers: Tempo's does
    (``ast_execute.go``), and answers are to be the same. With a float on either side it does what it says.
    """
    if op is BinaryOperator.POWER:
        return exp.func("try", exp.cast(exp.Pow(this=_double(right), expression=_double(left)), "BIGINT"))
    if op is BinaryOperator.DIVIDE:
        return exp.func("try", exp.IntDiv(this=exp.paren(left), expression=exp.paren(right)))
    return exp.func("try", values.ARITHMETIC[op](this=exp.paren(left), expression=exp.paren(right)))


def _float_arithmetic(op: BinaryOperator, left: Sql, right: Sql) -> Sql:
    return exp.paren(values.ARITHMETIC[op](this=_double(left), expression=_double(right)))


def _double(sql: Sql) -> Sql:
    return exp.cast(sql, "DOUBLE")


def _full_match(sql: Sql, pattern: str) -> Sql:
    """RE2 over the whole text, the dot matching line ends too, as in Tempo."""
    return exp.func("regexp_full_match", sql, values.text(pattern), exp.Literal.string("s"))


def _id_bytes(text: str, size: int) -> str | None:
    """An id as hex digits of its full length; None when the text is no such id."""
    found = parse_id(text, size)
    return None if found is None else found.hex().upper()


def _holds_for(item: Comparison, value: int) -> bool:
    compare = {
        BinaryOperator.EQUAL: value.__eq__,
        BinaryOperator.NOT_EQUAL: value.__ne__,
        BinaryOperator.LESS: value.__lt__,
        BinaryOperator.LESS_EQUAL: value.__le__,
        BinaryOperator.GREATER: value.__gt__,
        BinaryOperator.GREATER_EQUAL: value.__ge__,
    }[item.op]
    results = [bool(compare(int(static.value))) for static in item.statics]
    return all(results) if item.op in _ALL_HOLD else any(results)
