"""The older search by ``tags``, as a TraceQL query.

Tags are ``key=value`` pairs with blanks between them (logfmt). As in Tempo a trace is found when each of them holds for
one of its spans, whichever, or for that span's resource, and a value is text: only ``http.status_code`` is a number.
"""

import re

from spanlake.api.params import InvalidParameter
from spanlake.traceql.tree import (
    Attribute,
    AttributeScope,
    Binary,
    BinaryOperator,
    Field,
    FieldExpression,
    Intrinsic,
    IntrinsicField,
    Pipeline,
    Query,
    SpansetExpression,
    SpansetFilter,
    SpansetOperation,
    SpansetOperator,
    Static,
    Status,
    Type,
)

MAX_TAGS = 100

_PAIR = re.compile(r'\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)')
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_INTRINSICS = {
    "name": Intrinsic.NAME,
    "root.name": Intrinsic.TRACE_ROOT_NAME,
    "root.service.name": Intrinsic.TRACE_ROOT_SERVICE,
}


def query_of_tags(tags: str, min_duration_ns: int | None, max_duration_ns: int | None) -> Query:
    """The query that finds what tags and bounds on the trace's duration ask for. Raises InvalidParameter."""
    tests = [_test(key, value) for key, value in _pairs(tags)]
    duration = IntrinsicField(Intrinsic.TRACE_DURATION)
    for bound, op in ((min_duration_ns, BinaryOperator.GREATER_EQUAL), (max_duration_ns, BinaryOperator.LESS_EQUAL)):
        if bound is not None:
            tests.append(Binary(op, duration, Static(Type.DURATION, bound)))
    spanset: SpansetExpression = SpansetFilter(tests[0] if tests else Static(Type.BOOL, value=True))
    for test in tests[1:]:
        spanset = SpansetOperation(SpansetOperator.AND, spanset, SpansetFilter(test))
    return Query(Pipeline((spanset,)))


def _pairs(tags: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(tags.rstrip()):
        found = _PAIR.match(tags, at)
        if not found:
            raise InvalidParameter(f"invalid tags: expected key=value at character {at + 1} of {tags!r}")
        key, quoted, plain = found.groups()
        if len(pairs) == MAX_TAGS:
            raise InvalidParameter(f"invalid tags: there are more than {MAX_TAGS}")
        pairs.append((key, plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)))
        at = found.end()
    return pairs


def _test(key: str, value: str) -> FieldExpression:
    if key == "status.code":
        return _status(value)
    if key in _INTRINSICS:
        return _equals(IntrinsicField(_INTRINSICS[key]), Static(Type.STRING, value))
    is_status_code = key == "http.status_code" and _INTEGER.fullmatch(value)
    static = Static(Type.INT, int(value)) if is_status_code else Static(Type.STRING, value)
    places = (AttributeScope.SPAN, AttributeScope.RESOURCE)
    return _joined(BinaryOperator.OR, [_equals(Attribute(place, key), static) for place in places])


def _status(value: str) -> FieldExpression:
    if value.upper() not in Status.__members__:
        raise InvalidParameter(f"invalid tags: status.code is unset, ok or error, not {value!r}")
    return _equals(IntrinsicField(Intrinsic.STATUS), Static(Type.STATUS, Status[value.upper()]))


def _equals(field: Field, static: Static) -> FieldExpression:
    return Binary(BinaryOperator.EQUAL, field, static)


def _joined(op: BinaryOperator, parts: list[FieldExpression]) -> FieldExpression:
    joined = parts[0]
    for part in parts[1:]:
        joined = Binary(op, joined, part)
    return joined
