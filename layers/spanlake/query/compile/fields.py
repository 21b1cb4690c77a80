"""Resolves the fields of TraceQL to SQL over the relation that ``spans`` builds, by the attributes of the blocks.

Aliases: ``s`` is the span, ``p`` its parent span, ``t`` the totals of its trace, ``c`` the number of its children,
``n`` its nested set numbers. ``spans.Needs`` reads off finished SQL which of them it names.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import pyarrow as pa
from sqlglot import exp

from spanlake.query.compile import sql as values
from spanlake.query.compile.sql import Sql, TypedSql, TypedValue
from spanlake.spans.columns import AttributeColumn, Scope
from spanlake.traceql import ast


@dataclass(frozen=True)
class AttributeSchema:
    """The attributes of a set of blocks.

    ``columns`` lists the typed columns of each (scope, key). ``rest`` holds the (scope, key) pairs whose value in some
    span is OTLP JSON in the scope's rest list. A field in neither is nil in every span. ``nested`` holds the (scope,
    key) pairs of events and links whose value in some span is a list, a map or bytes.
    """

    columns: dict[tuple[Scope, str], tuple[AttributeColumn, ...]] = field(default_factory=dict)
    rest: frozenset[tuple[Scope, str]] = frozenset()
    nested: frozenset[tuple[ast.AttributeScope, str]] = frozenset()
    others: frozenset[str] = frozenset()

    def in_rest(self, scope: Scope, key: str) -> bool:
        """Return True where a key of a scope may be in rest lists."""
        return (scope, key) in self.rest or scope.value in self.others

    def is_nested(self, scope: ast.AttributeScope, key: str) -> bool:
        """Return True where a key of events or links may have a value that is a list, a map or bytes."""
        return (scope, key) in self.nested or scope.value in self.others

    @cached_property
    def types(self) -> dict[str, pa.DataType]:
        """The types of the columns by their names."""
        return {column.name: column.arrow_type for columns in self.columns.values() for column in columns}

    @classmethod
    def of(
        cls,
        columns: Iterable[AttributeColumn],
        rest: Iterable[tuple[Scope, str]] = (),
        nested: Iterable[tuple[ast.AttributeScope, str]] = (),
        others: Iterable[str] = (),
    ) -> "AttributeSchema":
        """Collect columns and keys, in any order."""
        grouped: defaultdict[tuple[Scope, str], list[AttributeColumn]] = defaultdict(list)
        for column in sorted(columns):
            grouped[column.scope, column.key].append(column)
        listed = {key: tuple(found) for key, found in grouped.items()}
        return cls(listed, frozenset(rest), frozenset(nested), frozenset(others))


SPAN, PARENT, TRACE, CHILDREN, TREE = "s", "p", "t", "c", "n"

SCOPES = {
    ast.AttributeScope.SPAN: (Scope.SPAN,),
    ast.AttributeScope.RESOURCE: (Scope.RESOURCE,),
    ast.AttributeScope.INSTRUMENTATION: (Scope.SCOPE,),
    ast.AttributeScope.NONE: (Scope.SPAN, Scope.RESOURCE),
}
ELEMENTS = {ast.AttributeScope.EVENT: "events", ast.AttributeScope.LINK: "links"}
TRACE_INTRINSICS = frozenset(
    (
        ast.Intrinsic.TRACE_DURATION,
        ast.Intrinsic.TRACE_ROOT_NAME,
        ast.Intrinsic.TRACE_ROOT_SERVICE,
        ast.Intrinsic.TRACE_ID,
    )
)
TREE_INTRINSICS = {
    ast.Intrinsic.NESTED_SET_LEFT: "nested_left",
    ast.Intrinsic.NESTED_SET_RIGHT: "nested_right",
    ast.Intrinsic.NESTED_SET_PARENT: "nested_parent",
}
ELEMENT_INTRINSICS = {
    ast.Intrinsic.EVENT_NAME: ast.AttributeScope.EVENT,
    ast.Intrinsic.EVENT_TIME_SINCE_START: ast.AttributeScope.EVENT,
    ast.Intrinsic.LINK_TRACE_ID: ast.AttributeScope.LINK,
    ast.Intrinsic.LINK_SPAN_ID: ast.AttributeScope.LINK,
}
_ELEMENT_MEMBERS = {ast.Type.STRING: "string", ast.Type.INT: "int", ast.Type.FLOAT: "double", ast.Type.BOOL: "bool"}


def span_column(name: str, *, parent: bool = False) -> Sql:
    """Return a physical column of the span, or of its parent."""
    return exp.column(name, table=PARENT if parent else SPAN)


@dataclass(frozen=True)
class FieldCompiler:
    """A compiler of fields to SQL, given the attributes of the blocks.

    ``elements`` are the event and the link that are evaluated, None for a span that has none.
    """

    known: AttributeSchema
    elements: Mapping[ast.AttributeScope, Sql | None] = field(default_factory=dict)

    def bound(self, scope: ast.AttributeScope, element: Sql | None) -> "FieldCompiler":
        """Return the fields of the relation with an event or a link bound."""
        return replace(self, elements={**self.elements, scope: element})

    def value(self, wanted: ast.Field) -> TypedValue:
        """Compile the value of a field for comparisons and arithmetic."""
        if element_scope(wanted):
            return self._in_element(wanted)
        if isinstance(wanted, ast.IntrinsicField):
            return self._intrinsic(wanted)
        if wanted.scope in ELEMENTS:
            return ()
        return self._in_scopes(wanted, self.scoped)

    def whole(self, wanted: ast.Field) -> TypedValue:
        """Compile the value of a field for results and grouping, where a list is one value."""
        if element_scope(wanted):
            json = self.nested(wanted)
            found = tuple(part for part in self._in_element(wanted) if not part.is_list)
            return found if json is None else (*found, TypedSql(None, json))
        if isinstance(wanted, ast.IntrinsicField) or wanted.scope in ELEMENTS:
            return self.value(wanted)
        return self._in_scopes(wanted, self._whole_of_scope)

    def exists(self, wanted: ast.Field) -> Sql:
        """Compile a test that is true where a field has a value."""
        scope = element_scope(wanted)
        if isinstance(wanted, ast.Attribute) and scope:
            element = self.elements[scope]
            return values.false() if element is None else self._element_has(wanted, element)
        if isinstance(wanted, ast.IntrinsicField):
            return values.present(self.value(wanted))
        if wanted.scope in ELEMENTS:
            return values.false()
        return values.any_of(self.scope_has(scope, wanted) for scope in SCOPES[wanted.scope])

    # attributes of span, resource and instrumentation scope

    def _in_scopes(self, wanted: ast.Attribute, read: Callable[[Scope, ast.Attribute], TypedValue]) -> TypedValue:
        """Return the value in the first of a field's scopes that has one."""
        inner, *outer = SCOPES[wanted.scope]
        value = read(inner, wanted)
        for scope in outer:
            value = self._shadowed(value, self.scope_has(inner, wanted), read(scope, wanted))
        return value

    def scoped(self, scope: Scope, wanted: ast.Attribute) -> TypedValue:
        """Return the value of an attribute in one scope."""
        by_type: dict[tuple[ast.Type | None, bool], Sql] = dict(self._columns(scope, wanted))
        if self.known.in_rest(scope, wanted.key):
            self._add_rest(by_type, self._rest_value(scope, wanted))
        return tuple(TypedSql(type_, sql, is_list) for (type_, is_list), sql in by_type.items())

    def _whole_of_scope(self, scope: Scope, wanted: ast.Attribute) -> TypedValue:
        by_type: dict[tuple[ast.Type | None, bool], Sql] = dict(self._columns(scope, wanted))
        if self.known.in_rest(scope, wanted.key):
            json = self._rest_value(scope, wanted)
            for type_ in values.JSON_MEMBERS:
                single = values.json_member(json.copy(), type_)
                by_type[type_, False] = _first_of(by_type.get((type_, False)), single)
            by_type[None, False] = values.json_nested(json)
        return tuple(TypedSql(type_, sql, is_list) for (type_, is_list), sql in by_type.items())

    def _columns(self, scope: Scope, wanted: ast.Attribute) -> Iterator[tuple[tuple[ast.Type, bool], Sql]]:
        for column in self.known.columns.get((scope, wanted.key), ()):
            yield values.OF_COLUMN[column.type], span_column(column.name, parent=wanted.parent)

    def scope_has(self, scope: Scope, wanted: ast.Attribute) -> Sql:
        """Compile a test that is true where an attribute has a value of any type in one scope."""
        tests = [values.not_null(sql) for _, sql in self._columns(scope, wanted)]
        if self.known.in_rest(scope, wanted.key):
            tests.append(values.json_present(self._rest_value(scope, wanted)))
        return values.any_of(tests)

    def _rest_value(self, scope: Scope, wanted: ast.Attribute) -> Sql:
        items = span_column(f"{scope.value}_rest", parent=wanted.parent)
        found = values.keep(items, lambda item: _equals(values.member(item, "key"), wanted.key))
        return values.member(values.first(found), "value")

    @staticmethod
    def _add_rest(by_type: dict[tuple[ast.Type | None, bool], Sql], json: Sql) -> None:
        for type_ in values.JSON_MEMBERS:
            single, items = values.json_member(json.copy(), type_), values.json_items(json.copy(), type_)
            by_type[type_, False] = _first_of(by_type.get((type_, False)), single)
            by_type[type_, True] = _first_of(by_type.get((type_, True)), items)
        by_type[None, True] = values.json_list(json)

    @staticmethod
    def _shadowed(inner: TypedValue, is_inner: Sql, outer: TypedValue) -> TypedValue:
        """Combine values so that a span's attribute hides its resource's with the same name, whatever their types."""
        if is_inner == exp.false():
            return outer
        hidden = (TypedSql(a.type, values.case(values.denied(is_inner.copy()), a.sql), a.is_list) for a in outer)
        merged = {(a.type, a.is_list): a for a in hidden}
        for a in inner:
            other = merged.get((a.type, a.is_list))
            merged[a.type, a.is_list] = TypedSql(a.type, _first_of(a.sql, other.sql) if other else a.sql, a.is_list)
        return tuple(merged.values())

    # events and links

    def elements_of(self, scope: ast.AttributeScope) -> Sql:
        """Return the span's list of events or links, NULL where there are none."""
        return span_column(ELEMENTS[scope])

    def _in_element(self, wanted: ast.Field) -> TypedValue:
        scope = element_scope(wanted)
        assert scope is not None
        element = self.elements[scope]
        if element is None:
            return ()
        if isinstance(wanted, ast.IntrinsicField):
            return (self._element_intrinsic(wanted.intrinsic, element),)
        return self._element_attribute(wanted, element)

    def _element_intrinsic(self, intrinsic: ast.Intrinsic, element: Sql) -> TypedSql:
        if intrinsic is ast.Intrinsic.EVENT_NAME:
            return TypedSql(ast.Type.STRING, _or_empty(values.member(element, "name")))
        if intrinsic is ast.Intrinsic.EVENT_TIME_SINCE_START:
            since = values.member(element, "time_unix_nano") - span_column("start_time_unix_nano")
            return TypedSql(ast.Type.DURATION, exp.paren(since))
        name = "trace_id" if intrinsic is ast.Intrinsic.LINK_TRACE_ID else "span_id"
        return TypedSql(ast.Type.STRING, hexadecimal(values.member(element, name)))

    def _element_attribute(self, wanted: ast.Attribute, element: Sql) -> TypedValue:
        """Return the value of an attribute of an event or link; a list is split into lists of its items by type."""
        attribute = _entry(wanted, element)
        members = [TypedSql(type_, values.member(attribute.copy(), name)) for type_, name in _ELEMENT_MEMBERS.items()]
        if not self._has_nested(wanted):
            return tuple(members)
        json = values.member(attribute, "rest")
        lists = [TypedSql(type_, values.json_items(json.copy(), type_), is_list=True) for type_ in _ELEMENT_MEMBERS]
        return (*members, *lists, TypedSql(None, values.json_list(json), is_list=True))

    def nested(self, wanted: ast.Field) -> Sql | None:
        """Return OTLP JSON of a list, a map or bytes of an attribute of an event or link; None if no span has any."""
        scope = element_scope(wanted)
        if not isinstance(wanted, ast.Attribute) or scope is None or not self._has_nested(wanted):
            return None
        element = self.elements[scope]
        return None if element is None else values.json_nested(values.member(_entry(wanted, element), "rest"))

    def _has_nested(self, wanted: ast.Attribute) -> bool:
        return self.known.is_nested(wanted.scope, wanted.key)

    def _element_has(self, wanted: ast.Attribute, element: Sql) -> Sql:
        attribute = _entry(wanted, element)
        members = [values.member(attribute.copy(), name) for name in _ELEMENT_MEMBERS.values()]
        tests = [values.not_null(member) for member in members]
        if self._has_nested(wanted):
            tests.append(values.json_present(values.member(attribute, "rest")))
        return values.any_of(tests)

    # intrinsics

    def _intrinsic(self, wanted: ast.IntrinsicField) -> TypedValue:
        intrinsic = wanted.intrinsic
        if intrinsic in ELEMENT_INTRINSICS:
            return ()
        if intrinsic in TRACE_INTRINSICS:
            return tuple(replace(a, sql=self._of_existing(a.sql, wanted)) for a in self._of_trace(intrinsic))
        if intrinsic in TREE_INTRINSICS:
            return (TypedSql(ast.Type.INT, exp.column(TREE_INTRINSICS[intrinsic], table=TREE)),)
        if intrinsic is ast.Intrinsic.PARENT:
            return (TypedSql(ast.Type.BOOL, exp.func("nullif", self._has_parent(), exp.false())),)
        if intrinsic is ast.Intrinsic.CHILD_COUNT:
            count = exp.func("coalesce", exp.column("child_count", table=CHILDREN), exp.Literal.number(0))
            return (TypedSql(ast.Type.INT, count),)
        type_, name, change = SPAN_INTRINSICS[wanted.intrinsic]
        sql = span_column(name, parent=wanted.parent)
        return (TypedSql(type_, self._of_existing(change(sql), wanted) if change else sql),)

    def _of_trace(self, intrinsic: ast.Intrinsic) -> TypedValue:
        if intrinsic is ast.Intrinsic.TRACE_ID:
            return (TypedSql(ast.Type.STRING, hexadecimal(span_column("trace_id"))),)
        if intrinsic is ast.Intrinsic.TRACE_DURATION:
            return (TypedSql(ast.Type.DURATION, exp.column("trace_duration", table=TRACE)),)
        name = "root_name" if intrinsic is ast.Intrinsic.TRACE_ROOT_NAME else "root_service"
        return (TypedSql(ast.Type.STRING, _or_empty(exp.column(name, table=TRACE))),)

    def _has_parent(self) -> Sql:
        return values.not_null(span_column("span_id", parent=True))

    def _of_existing(self, sql: Sql, wanted: ast.IntrinsicField) -> Sql:
        """Return a value that has a default; it is NULL where the parent span is absent."""
        if not wanted.parent:
            return sql
        return values.case(self._has_parent(), sql)


def element_scope(wanted: ast.Field) -> ast.AttributeScope | None:
    """Return the scope of a field of events or links; None for any other field."""
    if wanted.parent:
        return None
    if isinstance(wanted, ast.Attribute):
        return wanted.scope if wanted.scope in ELEMENTS else None
    return ELEMENT_INTRINSICS.get(wanted.intrinsic)


def _entry(wanted: ast.Attribute, element: Sql) -> Sql:
    attributes = values.member(element, "attributes")
    return values.first(values.keep(attributes, lambda a: _equals(values.member(a, "key"), wanted.key), "a"))


def hexadecimal(sql: Sql) -> Sql:
    """Format an id as lower-case hex digits."""
    return exp.func("lower", exp.func("hex", sql))


def _or_empty(sql: Sql) -> Sql:
    return exp.func("coalesce", sql, exp.Literal.string(""))


def _equals(sql: Sql, text: str) -> Sql:
    return exp.EQ(this=sql, expression=values.text(text))


def _first_of(one: Sql | None, other: Sql) -> Sql:
    return other if one is None else exp.func("coalesce", one, other)


def _or_zero(sql: Sql) -> Sql:
    return exp.func("coalesce", sql, exp.Literal.number(0))


SPAN_INTRINSICS: dict[ast.Intrinsic, tuple[ast.Type, str, Callable[[Sql], Sql] | None]] = {
    ast.Intrinsic.NAME: (ast.Type.STRING, "name", None),
    ast.Intrinsic.DURATION: (ast.Type.DURATION, "duration_nano", values.not_negative),
    ast.Intrinsic.KIND: (ast.Type.KIND, "kind", None),
    ast.Intrinsic.STATUS: (ast.Type.STATUS, "status_code", _or_zero),
    ast.Intrinsic.STATUS_MESSAGE: (ast.Type.STRING, "status_message", _or_empty),
    ast.Intrinsic.SPAN_ID: (ast.Type.STRING, "span_id", hexadecimal),
    ast.Intrinsic.PARENT_ID: (ast.Type.STRING, "parent_span_id", lambda sql: _or_empty(hexadecimal(sql))),
    ast.Intrinsic.INSTRUMENTATION_NAME: (ast.Type.STRING, "scope_name", _or_empty),
    ast.Intrinsic.INSTRUMENTATION_VERSION: (ast.Type.STRING, "scope_version", _or_empty),
}
