"""Resolves the fields of TraceQL to SQL over the relation that ``relation`` builds.

Aliases: ``s`` is the span, ``p`` its parent span, ``t`` its trace's totals, ``c`` the count of its children, ``n`` its
place in the trace's tree. Asking for a field notes what it needs, so that the relation brings just that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB

from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.traceql import values
from spanlake.traceql.known import Known
from spanlake.traceql.tree import Attribute, AttributeScope, Field, Intrinsic, IntrinsicField, Type
from spanlake.traceql.values import Alternative, Sql, Value

SPAN, PARENT, TRACE, CHILDREN, TREE = "s", "p", "t", "c", "n"

SCOPES = {
    AttributeScope.SPAN: (Scope.SPAN,),
    AttributeScope.RESOURCE: (Scope.RESOURCE,),
    AttributeScope.INSTRUMENTATION: (Scope.SCOPE,),
    AttributeScope.NONE: (Scope.SPAN, Scope.RESOURCE),
}
ELEMENTS = {AttributeScope.EVENT: "events", AttributeScope.LINK: "links"}
TRACE_INTRINSICS = frozenset(
    (Intrinsic.TRACE_DURATION, Intrinsic.TRACE_ROOT_NAME, Intrinsic.TRACE_ROOT_SERVICE, Intrinsic.TRACE_ID)
)
TREE_INTRINSICS = {
    Intrinsic.NESTED_SET_LEFT: "nested_left",
    Intrinsic.NESTED_SET_RIGHT: "nested_right",
    Intrinsic.NESTED_SET_PARENT: "nested_parent",
}
_ELEMENT_INTRINSICS = {
    Intrinsic.EVENT_NAME: "events",
    Intrinsic.EVENT_TIME_SINCE_START: "events",
    Intrinsic.LINK_TRACE_ID: "links",
    Intrinsic.LINK_SPAN_ID: "links",
}
_REST_PATHS = {
    Type.STRING: ("$.stringValue", "VARCHAR"),
    Type.INT: ("$.intValue", "BIGINT"),
    Type.FLOAT: ("$.doubleValue", "DOUBLE"),
    Type.BOOL: ("$.boolValue", "BOOLEAN"),
}
_ELEMENT_MEMBERS = {Type.STRING: "string", Type.INT: "int", Type.FLOAT: "double", Type.BOOL: "bool"}


@dataclass
class Needs:
    """What of the relation a query touches; ``columns`` are of the span, ``parents`` of its parent."""

    columns: set[str] = field(default_factory=set)
    parents: set[str] = field(default_factory=set)
    traces: bool = False  # spans of one trace are judged together
    trace: bool = False
    children: bool = False
    tree: bool = False
    arrival: bool = False

    @property
    def whole_traces(self) -> bool:
        """Whether a span can be judged only with the other spans of its trace at hand."""
        return self.traces or bool(self.parents) or self.trace or self.children or self.tree


@dataclass
class Fields:
    """Field to SQL, given what is known of the blocks. Collects in ``needs`` what was asked for."""

    known: Known
    needs: Needs = field(default_factory=Needs)

    def column(self, name: str, *, parent: bool = False) -> Sql:
        """A physical column of the span, or of its parent."""
        (self.needs.parents if parent else self.needs.columns).add(name)
        return exp.column(name, table=PARENT if parent else SPAN)

    def value(self, wanted: Field) -> Value:
        """The value of a field, a list for the events and links of a span."""
        if isinstance(wanted, IntrinsicField):
            return self._intrinsic(wanted)
        if wanted.scope in ELEMENTS:
            return tuple(self._element_value(wanted, type_) for type_ in _ELEMENT_MEMBERS)
        found = [self.scoped(scope, wanted) for scope in SCOPES[wanted.scope]]
        found = [value for value in found if value]
        return self._shadowed(*found) if len(found) == 2 else (found[0] if found else ())

    def fetched(self, wanted: Field) -> Value:
        """The value of a field that is read, not compared with a literal.

        Of an attribute that Tempo keeps in a dedicated column this is what the column holds, values of one type.
        """
        return self.dedicated.value(wanted)

    @property
    def dedicated(self) -> "Fields":
        """The same relation, where attributes in dedicated columns have values of their columns' types only."""
        return Fields(self.known.of_dedicated(), self.needs)

    def exists(self, wanted: Field) -> Sql:
        """Whether a field is there: in any of the places it is looked for."""
        if isinstance(wanted, IntrinsicField):
            return values.present(self.value(wanted))
        if wanted.scope in ELEMENTS:
            return self.some_element(wanted, lambda element: self.element_has(wanted, element))
        return values.any_of(self.scope_has(scope, wanted) for scope in SCOPES[wanted.scope])

    def lacks(self, wanted: Field) -> Sql:
        """Whether a field is nil: in any of the places it is looked for (an event without the key is enough)."""
        if isinstance(wanted, IntrinsicField):
            return exp.not_(exp.paren(values.present(self.value(wanted))))
        if wanted.scope in ELEMENTS:
            return self.some_element(wanted, lambda element: exp.not_(exp.paren(self.element_has(wanted, element))))
        return values.any_of(exp.not_(exp.paren(self.scope_has(scope, wanted))) for scope in SCOPES[wanted.scope])

    # attributes of span, resource and instrumentation scope

    def scoped(self, scope: Scope, wanted: Attribute) -> Value:
        """The value of an attribute in one scope."""
        by_type: dict[tuple[Type, bool], Sql] = {}
        for column in self.known.columns.get((scope, wanted.key), ()):
            by_type[values.OF_COLUMN[column.type]] = self._typed_column(column, wanted)
        if (scope, wanted.key) in self.known.rest:
            self._add_rest(by_type, self._rest_value(scope, wanted))
        return tuple(Alternative(type_, sql, is_list) for (type_, is_list), sql in by_type.items())

    def scope_has(self, scope: Scope, wanted: Attribute) -> Sql:
        """Whether an attribute is there in one scope, of whatever kind its value is."""
        tests = [
            values.not_null(self._typed_column(column, wanted))
            for column in self.known.columns.get((scope, wanted.key), ())
        ]
        if (scope, wanted.key) in self.known.rest:
            tests.append(values.not_null(self._rest_value(scope, wanted)))
        return values.any_of(tests)

    def _typed_column(self, column: AttributeColumn, wanted: Attribute) -> Sql:
        return self.column(column.name, parent=wanted.parent)

    def _rest_value(self, scope: Scope, wanted: Attribute) -> Sql:
        items = self.column(f"{scope.value}_rest", parent=wanted.parent)
        found = values.keep(items, lambda item: _equals(values.member(item, "key"), wanted.key))
        return values.member(values.first(found), "value")

    @staticmethod
    def _add_rest(by_type: dict[tuple[Type, bool], Sql], json: Sql) -> None:
        for type_, (path, sql_type) in _REST_PATHS.items():
            text = exp.func("json_extract_string", json.copy(), exp.Literal.string(path))
            by_type[type_, False] = _first_of(
                by_type.get((type_, False)), exp.TryCast(this=text, to=exp.DataType.build(sql_type))
            )
            list_path = path.replace("$.", "$.arrayValue.values[*].")
            texts = exp.func("json_extract_string", json.copy(), exp.Literal.string(list_path))
            typed = exp.TryCast(this=texts, to=exp.DataType.build(f"{sql_type}[]", dialect=DuckDB))
            items = values.case(exp.GT(this=exp.func("len", texts.copy()), expression=exp.Literal.number(0)), typed)
            by_type[type_, True] = _first_of(by_type.get((type_, True)), items)

    @staticmethod
    def _shadowed(inner: Value, outer: Value) -> Value:
        """A span's attribute hides its resource's of the same name, whatever their types."""
        inner_there = exp.paren(values.present(inner))
        hidden = tuple(Alternative(a.type, values.case(exp.not_(inner_there.copy()), a.sql), a.is_list) for a in outer)
        merged = {(a.type, a.is_list): a for a in hidden}
        for a in inner:
            other = merged.get((a.type, a.is_list))
            merged[a.type, a.is_list] = Alternative(a.type, _first_of(a.sql, other.sql) if other else a.sql, a.is_list)
        return tuple(merged.values())

    # events and links

    def some_element(self, wanted: Field, test: Callable[[Sql], Sql]) -> Sql:
        """Whether an event, or link, of the span passes a test."""
        return values.some(self.elements(wanted), test, "e")

    def elements(self, wanted: Field) -> Sql:
        """The span's list of events or links, whichever the field belongs to."""
        name = _ELEMENT_INTRINSICS[wanted.intrinsic] if isinstance(wanted, IntrinsicField) else ELEMENTS[wanted.scope]
        return self.column(name, parent=wanted.parent)

    def of_element(self, wanted: Field, element: Sql) -> Value:
        """The value of a field in one event or link."""
        if isinstance(wanted, Attribute):
            attribute = self._element_attribute(wanted, element)
            return tuple(
                Alternative(type_, values.member(attribute.copy(), name)) for type_, name in _ELEMENT_MEMBERS.items()
            )
        if wanted.intrinsic is Intrinsic.EVENT_NAME:
            return (Alternative(Type.STRING, values.member(element, "name")),)
        if wanted.intrinsic is Intrinsic.EVENT_TIME_SINCE_START:
            start = self.column("start_time_unix_nano", parent=wanted.parent)
            return (Alternative(Type.DURATION, exp.paren(values.member(element, "time_unix_nano") - start)),)
        name = "trace_id" if wanted.intrinsic is Intrinsic.LINK_TRACE_ID else "span_id"
        return (Alternative(Type.STRING, hexadecimal(values.member(element, name))),)

    def element_has(self, wanted: Field, element: Sql) -> Sql:
        """Whether a field is there in one event or link."""
        if isinstance(wanted, IntrinsicField):
            return exp.true()
        return values.not_null(values.member(self._element_attribute(wanted, element), "key"))

    @staticmethod
    def _element_attribute(wanted: Attribute, element: Sql) -> Sql:
        attributes = values.member(element, "attributes")
        return values.first(values.keep(attributes, lambda a: _equals(values.member(a, "key"), wanted.key), "a"))

    def _element_value(self, wanted: Field, type_: Type) -> Alternative:
        def of(element: Sql) -> Sql:
            return next(a.sql for a in self.of_element(wanted, element) if a.type is type_)

        items = values.each(self.elements(wanted), of, "e")
        return Alternative(type_, values.keep(items, values.not_null), is_list=True)

    # intrinsics

    def _intrinsic(self, wanted: IntrinsicField) -> Value:
        intrinsic = wanted.intrinsic
        if intrinsic in _ELEMENT_INTRINSICS:
            type_ = Type.DURATION if intrinsic is Intrinsic.EVENT_TIME_SINCE_START else Type.STRING
            return (self._element_value(wanted, type_),)
        if intrinsic in TRACE_INTRINSICS:
            return tuple(replace(a, sql=self._of_existing(a.sql, wanted)) for a in self._of_trace(intrinsic))
        if intrinsic in TREE_INTRINSICS:
            self.needs.tree = True
            return (Alternative(Type.INT, exp.column(TREE_INTRINSICS[intrinsic], table=TREE)),)
        if intrinsic is Intrinsic.CHILD_COUNT:
            self.needs.children = True
            count = exp.func("coalesce", exp.column("child_count", table=CHILDREN), exp.Literal.number(0))
            return (Alternative(Type.INT, count),)
        return self._of_span(wanted)

    def _of_trace(self, intrinsic: Intrinsic) -> Value:
        if intrinsic is Intrinsic.TRACE_ID:
            return (Alternative(Type.STRING, hexadecimal(self.column("trace_id"))),)
        self.needs.trace = True
        if intrinsic is Intrinsic.TRACE_DURATION:
            return (Alternative(Type.DURATION, exp.column("trace_duration", table=TRACE)),)
        name = "root_name" if intrinsic is Intrinsic.TRACE_ROOT_NAME else "root_service"
        return (Alternative(Type.STRING, _or_empty(exp.column(name, table=TRACE))),)

    def _of_span(self, wanted: IntrinsicField) -> Value:
        type_, name, change = _SPAN_INTRINSICS[wanted.intrinsic]
        sql = self.column(name, parent=wanted.parent)
        return (Alternative(type_, self._of_existing(change(sql), wanted) if change else sql),)

    def _of_existing(self, sql: Sql, wanted: IntrinsicField) -> Sql:
        """A value that a default stands in for; a parent span that is not there has none."""
        if not wanted.parent:
            return sql
        return values.case(values.not_null(self.column("span_id", parent=True)), sql)


def hexadecimal(sql: Sql) -> Sql:
    """An id as lower-case hex digits."""
    return exp.func("lower", exp.func("hex", sql))


def _or_empty(sql: Sql) -> Sql:
    return exp.func("coalesce", sql, exp.Literal.string(""))


def _equals(sql: Sql, text: str) -> Sql:
    return exp.EQ(this=sql, expression=values.text(text))


def _first_of(one: Sql | None, other: Sql) -> Sql:
    return other if one is None else exp.func("coalesce", one, other)


def _or_zero(sql: Sql) -> Sql:
    return exp.func("coalesce", sql, exp.Literal.number(0))


def _if_there(sql: Sql) -> Sql:
    return exp.func("nullif", values.not_null(sql), exp.false())


_SPAN_INTRINSICS: dict[Intrinsic, tuple[Type, str, Callable[[Sql], Sql] | None]] = {
    Intrinsic.NAME: (Type.STRING, "name", None),
    Intrinsic.DURATION: (Type.DURATION, "duration_nano", values.not_negative),
    Intrinsic.KIND: (Type.KIND, "kind", None),
    Intrinsic.STATUS: (Type.STATUS, "status_code", _or_zero),
    Intrinsic.STATUS_MESSAGE: (Type.STRING, "status_message", _or_empty),
    Intrinsic.SPAN_ID: (Type.STRING, "span_id", hexadecimal),
    Intrinsic.PARENT_ID: (Type.STRING, "parent_span_id", lambda sql: _or_empty(hexadecimal(sql))),
    Intrinsic.PARENT: (Type.BOOL, "parent_span_id", _if_there),
    Intrinsic.INSTRUMENTATION_NAME: (Type.STRING, "scope_name", _or_empty),
    Intrinsic.INSTRUMENTATION_VERSION: (Type.STRING, "scope_version", _or_empty),
}
