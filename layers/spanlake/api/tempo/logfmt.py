"""The older search by ``tags``, as a TraceQL query.

Tags are ``key=value`` pairs with blanks between them (logfmt). A trace is found when each of them holds for one of its
spans, whichever, or for that span's resource. Text has the value as a part of it, whatever the case, as Tempo documents
it; numbers and booleans equal it as it is written.
"""

import re

from spanlake.api.typed_route import InvalidParameter
from spanlake.traceql import ast

MAX_TAGS = 100
_SHOWN_TEXT = 200  # characters that an error repeats

_PAIR = re.compile(r'\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?:\s+|$)')
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII)
_FLOAT = re.compile(r"-?(0|[1-9][0-9]{0,17})\.[0-9]{1,17}(e[+-][0-9]{2,3})?", re.ASCII)
_TRUTHS = {"true": True, "false": False}
_INTRINSICS = {
    "name": ast.Intrinsic.NAME,
    "root.name": ast.Intrinsic.TRACE_ROOT_NAME,
    "root.service.name": ast.Intrinsic.TRACE_ROOT_SERVICE,
}


def query_of_tags(tags: str, min_duration_ns: int | None, max_duration_ns: int | None) -> ast.Query:
    """Return the query that finds what tags and bounds on the trace's duration ask for. Raises InvalidParameter."""
    tests = [_test(key, value) for key, value in _pairs(tags)]
    duration = ast.IntrinsicField(ast.Intrinsic.TRACE_DURATION)
    for bound, op in (
        (min_duration_ns, ast.BinaryOperator.GREATER_EQUAL),
        (max_duration_ns, ast.BinaryOperator.LESS_EQUAL),
    ):
        if bound is not None:
            tests.append(ast.Binary(op, duration, ast.Static(ast.Type.DURATION, bound)))
    spanset: ast.SpansetExpression = ast.SpansetFilter(tests[0] if tests else ast.Static(ast.Type.BOOL, value=True))
    for test in tests[1:]:
        spanset = ast.SpansetOperation(ast.SpansetOperator.AND, spanset, ast.SpansetFilter(test))
    return ast.Query(ast.Pipeline((spanset,)))


def _pairs(tags: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    at = 0
    while at < len(tags.rstrip()):
        found = _PAIR.match(tags, at)
        if not found:
            raise InvalidParameter(f"invalid tags: expected key=value at character {at + 1} of {tags[:_SHOWN_TEXT]!r}")
        key, quoted, plain = found.groups()
        if len(pairs) == MAX_TAGS:
            raise InvalidParameter(f"invalid tags: there are more than {MAX_TAGS}")
        pairs.append((key, plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)))
        at = found.end()
    return pairs


def _test(key: str, value: str) -> ast.FieldExpression:
    if key == "status.code":
        return _status(value)
    if key in _INTRINSICS:
        return _contains(ast.IntrinsicField(_INTRINSICS[key]), value)
    places = [ast.Attribute(place, key) for place in (ast.AttributeScope.SPAN, ast.AttributeScope.RESOURCE)]
    tests = [_contains(place, value) for place in places]
    static = _number_or_truth(value)
    if static is not None:
        tests += [_equals(place, static) for place in places]
    return _joined(ast.BinaryOperator.OR, tests)


def _number_or_truth(value: str) -> ast.Static | None:
    """Return the number or boolean that is written so; None of other text."""
    if value in _TRUTHS:
        return ast.Static(ast.Type.BOOL, _TRUTHS[value])
    if _INTEGER.fullmatch(value):
        return ast.Static(ast.Type.INT, int(value))
    return ast.Static(ast.Type.FLOAT, float(value)) if _FLOAT.fullmatch(value) else None


def _contains(field: ast.Field, value: str) -> ast.FieldExpression:
    """Holds where a text has the value as a part of it."""
    return ast.Binary(ast.BinaryOperator.MATCH, field, ast.Static(ast.Type.STRING, f"(?i).*{re.escape(value)}.*"))


def _status(value: str) -> ast.FieldExpression:
    if value.upper() not in ast.Status.__members__:
        raise InvalidParameter(f"invalid tags: status.code is unset, ok or error, not {value[:_SHOWN_TEXT]!r}")
    return _equals(ast.IntrinsicField(ast.Intrinsic.STATUS), ast.Static(ast.Type.STATUS, ast.Status[value.upper()]))


def _equals(field: ast.Field, static: ast.Static) -> ast.FieldExpression:
    return ast.Binary(ast.BinaryOperator.EQUAL, field, static)


def _joined(op: ast.BinaryOperator, parts: list[ast.FieldExpression]) -> ast.FieldExpression:
    joined = parts[0]
    for part in parts[1:]:
        joined = ast.Binary(op, joined, part)
    return joined
