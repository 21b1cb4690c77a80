"""Reasons why a query found nothing: the conditions without a match, names that are meant, and where spans are."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from urllib.parse import quote

from spanlake.cli.client import json
from spanlake.cli.client.api import TempoApi
from spanlake.cli.client.search import parse_search
from spanlake.cli.client.series import Series
from spanlake.cli.client.tags import TagScope, TagValue, parse_tag_values, parse_tags
from spanlake.cli.client.times import TimeRange
from spanlake.cli.errors import Refused
from spanlake.cli.printable import printable
from spanlake.cli.render.numbers import moment
from spanlake.cli.render.text import cut
from spanlake.traceql import TraceQLError, ast, parse
from spanlake.traceql.ast.walk import children
from spanlake.traceql.printer import print_expression, print_field, print_static

_SEARCH = "/api/search"
_MOST_CONDITIONS = 8  # each is a request
_MOST_VALUES = 1000
_ALL_TIME = TimeRange(0, 2**32 - 1)
_SUGGESTIONS = 3
_LEAST_RATIO = 0.7  # of difflib, from which on a name is close to another
_NIL = (None, "nil")  # as servers write it
_STARS = re.compile(r"\.?\*")
_INTRINSIC = "intrinsic"  # the scope that lists names without one


def explain_nothing(api: TempoApi, traceql: str, when: TimeRange) -> list[str]:
    """Return sentences that say why a query has no results, as far as the server's answers tell."""
    try:
        return list(_Reasons(api, when).of(traceql))
    except Refused:  # an explanation must not hide that nothing was found
        return []


def explain_no_values(api: TempoApi, field: ast.Field, when: TimeRange) -> list[str]:
    """Return sentences that say why a field has no values, as far as the server's answers tell."""
    try:
        return list(_Reasons(api, when).of_field(field))
    except Refused:
        return []


def explain_no_spans(api: TempoApi, when: TimeRange) -> list[str]:
    """Return a sentence that says where spans are, if a time range has none."""
    try:
        return list(_Reasons(api, when).of_range())
    except Refused:
        return []


def explain_nil(api: TempoApi, traceql: str, series: Sequence[Series], when: TimeRange) -> list[str]:
    """Return a sentence for each attribute of a metrics query by which no series is told from another."""
    labels = [dict(each.labels) for each in series]
    nil = {key for key in (labels[0] if labels else ()) if all(each.get(key) in _NIL for each in labels)}
    fields = [field for field in _outside_filters(traceql) if print_field(field) in nil]
    return [sentence for field in fields for sentence in explain_no_values(api, field, when)]


@dataclass(frozen=True, slots=True)
class _Reasons:
    api: TempoApi
    when: TimeRange

    def of_range(self) -> Iterator[str]:
        if not self._finds("{}", self.when):
            yield self._where_spans_are()

    def of_field(self, field: ast.Field) -> Iterator[str]:
        empty = list(self.of_range())
        similar = "" if empty else self._similar_names(field)
        yield from empty
        if similar:
            yield f"no span has {cut(printable(print_field(field)))}{similar}"

    def of(self, traceql: str) -> Iterator[str]:
        if empty := list(self.of_range()):
            yield from empty
            return
        unmatched = [condition for condition in _conditions(traceql) if not self._finds(_filter(condition), self.when)]
        for condition in unmatched:
            yield f"no span has {cut(printable(print_expression(condition)))}{self._advice(condition)}"
        missing = [] if unmatched else [field for field in _outside_filters(traceql) if not self._values(field)]
        for field in missing:
            yield f"no span has {cut(printable(print_field(field)))}{self._similar_names(field)}"
        if not unmatched and not missing:
            yield "each condition matches spans, but no span or trace matches all of them"

    def _finds(self, traceql: str, when: TimeRange) -> bool:
        body = self.api.get(_SEARCH, {"q": traceql, **when.params, "limit": "1", "spss": "1"})
        return bool(parse_search(json.parse(body)).traces)

    def _where_spans_are(self) -> str:
        first, last = (self._start(hint) for hint in ("order=start, asc=true", "order=start"))
        if first is None or last is None:
            return "nothing is stored"
        return f"spans are stored from {moment(first)} to {moment(last)}: choose a range with --since, --start, --end"

    def _start(self, hints: str) -> int | None:
        params = {"q": f"{{}} with ({hints})", **_ALL_TIME.params, "limit": "1", "spss": "1"}
        traces = parse_search(json.parse(self.api.get(_SEARCH, params))).traces
        return traces[0].start_ns if traces else None

    def _advice(self, condition: ast.FieldExpression) -> str:
        compared = _compared(condition)
        if compared is None:
            return ""
        field, literal = compared
        values = self._values(field)
        if not values:
            return self._similar_names(field)
        return (
            _other_type(field, literal, values)
            or self._part_of_text(condition, field, literal)
            or _similar_values(literal, values)
        )

    def _part_of_text(self, condition: ast.FieldExpression, field: ast.Field, literal: ast.Static) -> str:
        """Say how to ask for a part of a text, where the condition does that in the way of other languages."""
        text, op = str(literal.value), condition.op if isinstance(condition, ast.Binary) else None
        if literal.type is not ast.Type.STRING:
            return ""
        if op is ast.BinaryOperator.EQUAL and "*" in text:
            return f": = takes * as it stands; write =~ {_quoted(_STARS.sub('.*', text))} for a part of the text"
        part = f".*({text}).*" if "|" in text else f".*{text}.*"
        wider = ast.Binary(ast.BinaryOperator.MATCH, field, ast.Static(ast.Type.STRING, part))
        if op is ast.BinaryOperator.MATCH and self._finds(_filter(wider), self.when):
            return f": =~ matches the whole text; write =~ {_quoted(part)} for a part of it"
        return ""

    def _values(self, field: ast.Field) -> tuple[TagValue, ...]:
        path = f"/api/v2/search/tag/{quote(print_field(field), safe='')}/values"
        body = self.api.get(path, {**self.when.params, "limit": str(_MOST_VALUES)})
        return parse_tag_values(json.parse(body))

    def _similar_names(self, field: ast.Field) -> str:
        if not isinstance(field, ast.Attribute):
            return ""
        scopes = parse_tags(json.parse(self.api.get("/api/v2/search/tags", self.when.params)))
        if any(_has(scope, field) for scope in scopes):
            return ""
        names = {_full_name(scope.name, tag): tag for scope in scopes for tag in scope.tags}
        elsewhere = [name for name, tag in names.items() if tag == field.key]
        close = get_close_matches(field.key, names.values(), _SUGGESTIONS, _LEAST_RATIO)
        similar = [name for name, tag in names.items() if tag in close and (name != tag or not field.scope)]
        return f": there is no such attribute{_did_you_mean(elsewhere or similar)}"


def _quoted(text: str) -> str:
    return cut(printable(print_static(ast.Static(ast.Type.STRING, text))), 80)


def _has(scope: TagScope, field: ast.Attribute) -> bool:
    return field.key in scope.tags and (scope.name == field.scope or (not field.scope and scope.name != _INTRINSIC))


def _full_name(scope: str, tag: str) -> str:
    return tag if scope == _INTRINSIC else f"{scope}.{tag}"


def _conditions(traceql: str) -> list[ast.FieldExpression]:
    """Return the conditions that all must match a span: the operands of && in each filter at the beginning."""
    try:
        query = parse(traceql)
    except TraceQLError:
        return []
    body = query.body
    pipeline = body.spans if isinstance(body, ast.MetricsPipeline) else body
    filters = _filters(pipeline.stages[0]) if isinstance(pipeline, ast.Pipeline) and pipeline.stages else ()
    return [condition for each in filters for condition in _operands(each.condition)][:_MOST_CONDITIONS]


def _outside_filters(traceql: str) -> list[ast.Attribute]:
    """Return the attributes that a query measures, groups by or compares outside of its filters."""
    try:
        pending: list[ast.Node] = [parse(traceql).body]
    except TraceQLError:
        return []
    found: dict[ast.Attribute, None] = {}
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Attribute):
            found[node] = None
        elif not isinstance(node, ast.SpansetFilter):
            pending.extend(reversed(children(node)))
    return list(found)[:_MOST_CONDITIONS]


def _filters(node: object) -> Iterator[ast.SpansetFilter]:
    if isinstance(node, ast.SpansetFilter):
        yield node
    elif isinstance(node, ast.SpansetOperation) and node.op is not ast.SpansetOperator.OR and not node.op.is_negated:
        yield from _filters(node.left)
        yield from _filters(node.right)


def _operands(node: ast.FieldExpression) -> Iterator[ast.FieldExpression]:
    if isinstance(node, ast.Binary) and node.op is ast.BinaryOperator.AND:
        yield from _operands(node.left)
        yield from _operands(node.right)
    elif not isinstance(node, ast.Static):
        yield node


def _filter(condition: ast.FieldExpression) -> str:
    return f"{{ {print_expression(condition)} }}"


def _compared(condition: ast.FieldExpression) -> tuple[ast.Field, ast.Static] | None:
    """Return the field and the literal of a comparison."""
    if not isinstance(condition, ast.Binary):
        return None
    sides = condition.left, condition.right
    field = next((side for side in sides if isinstance(side, ast.Attribute | ast.IntrinsicField)), None)
    literal = next((side for side in sides if isinstance(side, ast.Static)), None)
    return (field, literal) if field and literal else None


_NUMBERS = {"int", "float", "duration"}


def _other_type(field: ast.Field, literal: ast.Static, values: tuple[TagValue, ...]) -> str:
    types = {value.type for value in values}
    if not isinstance(field, ast.Attribute) or literal.type in types or (literal.type in _NUMBERS and types & _NUMBERS):
        return ""
    return f": {printable(print_field(field))} is {' or '.join(sorted(types))} here, and {literal.type} in the query"


def _similar_values(literal: ast.Static, values: tuple[TagValue, ...]) -> str:
    if literal.type is not ast.Type.STRING:
        return ""
    folded = {value.value.casefold(): value.value for value in values if value.type == "string"}
    close = get_close_matches(str(literal.value).casefold(), folded, _SUGGESTIONS)
    return _did_you_mean([f'"{folded[text]}"' for text in close])


def _did_you_mean(names: list[str]) -> str:
    shown = " or ".join(cut(printable(name), 80) for name in names[:_SUGGESTIONS])
    return f"; did you mean {shown}?" if shown else ""
