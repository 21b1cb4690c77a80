"""Advice for queries with syntax of another language or a typing error: the TraceQL that was probably meant."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final

from spanlake.traceql import ast
from spanlake.traceql.types import type_of

_WORD = re.compile(r"\w+")
_DOTTED = re.compile(r"[^\W\d]\w*(?:[.\-/]\w+)+")
_PREFIX = re.compile(r"(?:tags?|attrs?|attributes?|labels?|fields?)\.(?=\w)")
_COLON = re.compile(r"(resource|span|event|link|instrumentation):(\w[\w.\-/]{0,80})")
_OF_INTRINSIC = re.compile(r"(\w+)\Z")
_AFTER_DOT = re.compile(r"\.(\w[\w.\-/]{0,80})")
_METRIC_BEFORE = re.compile(r"\|\s*\w+\([^()]*\)\s*(?:by\s*\([^()]*\)\s*)?\Z")
_WINDOW = re.compile(r"\[?\s*[0-9]+(?:ms|[smhdwy])\b")
_SUBSCRIPT = re.compile(r"""(span|resource|event|link|instrumentation)\s*\[\s*["'`]?([^"'`\]]{0,80})""")
_ENUM_BEFORE = re.compile(r"\b(status|kind)\s*[=!]=?~?\s*\Z")
_DIGIT_BEFORE = re.compile(r"[0-9]\s+\Z")
_LOW_QUOTES: Final = "\u201a\u201e"
_LOOK_BACK: Final = 80  # characters

_STATUSES: Final = ", ".join(status.name.lower() for status in ast.Status)
_KINDS: Final = ", ".join(kind.name.lower() for kind in ast.Kind)
_ENUMS: Final[Mapping[str, str]] = {"status": _STATUSES, "kind": _KINDS}
_ENUM_WORDS: Final = frozenset(word.name.lower() for enum in (ast.Status, ast.Kind) for word in enum)
_ENUM_PREFIX = re.compile(r"(?:span_kind_|status_code_)", re.IGNORECASE)
_UNITS: Final = frozenset(("ns", "us", "µs", "\u03bcs", "ms", "s", "m", "h", "d", "w", "y"))

INTRINSIC_NAMES: Final = frozenset(
    (
        *(intrinsic.value for intrinsic in ast.Intrinsic),
        *("trace:duration", "trace:rootName", "trace:rootService"),
    )
)
_BY_LOWER_CASE: Final[Mapping[str, str]] = {
    word.lower(): word
    for word in (
        *(name for name in INTRINSIC_NAMES if ":" not in name),
        *(*ast.MetricsFunction, *ast.RankFunction, *ast.AggregateFunction, "compare"),
    )
}
"""Words of the language by their lower case."""

_LONG_UNITS: Final = frozenset(("sec", "second", "msec", "milli", "millisecond", "min", "minute", "hr", "hour", "day"))
"""Units that TraceQL does not have."""

_QUOTES: Final = 'strings are written in straight double quotes or backticks: "x"'
_AND: Final = "conditions are joined with `&&`"
_OR: Final = "alternatives are joined with `||`"
_MATCH: Final = 'a substring is matched by a regular expression: name =~ ".*x.*"'
_ONE_OF: Final = 'alternatives are matched by a regular expression, name =~ "x|y", or by `||`'
_THERE: Final = "an attribute is there where it is != nil"
_METRICS: Final = (
    "metrics functions such as rate(), count_over_time() or quantile_over_time() follow spans: { } | rate()"
)
_NIL: Final = "nothing is written nil"
_WORDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("and",), _AND),
    **dict.fromkeys(("or",), _OR),
    "not": "a condition is negated by `!` before it, in parentheses, or by !=",
    **dict.fromkeys(("like", "ilike", "contains", "matches", "startswith", "endswith", "regexp", "rlike"), _MATCH),
    **dict.fromkeys(("in", "between"), _ONE_OF),
    **dict.fromkeys(("is", "exists", "has", "isnull", "isnil"), _THERE),
    **dict.fromkeys(("null", "none", "undefined", "nil"), _NIL),
    **dict.fromkeys(("true", "false"), "`true` and `false` are written in lower case"),
    **dict.fromkeys(("traceid", "trace_id"), "the id of a trace is trace:id"),
    **dict.fromkeys(("spanid", "span_id"), "the id of a span is span:id"),
    **dict.fromkeys(("parentid", "parent_id", "parentspanid", "parent_span_id"), "the parent's id is span:parentID"),
    **dict.fromkeys(("childcount", "child_count"), "the number of children is span:childCount"),
    **dict.fromkeys(("operation", "operationname", "spanname", "span_name"), "the name of a span is name"),
    **dict.fromkeys(("service", "servicename", "service_name"), "the name of a service is resource.service.name"),
    **dict.fromkeys(("statuscode", "status_code"), f"the status of a span is status: {_STATUSES}"),
    **dict.fromkeys(("spankind", "span_kind"), f"the kind of a span is kind: {_KINDS}"),
    **dict.fromkeys(("select", "where", "from"), 'spans are selected in braces: { name = "x" }'),
    **dict.fromkeys(("root", "isroot", "is_root"), "root spans are found by nestedSetParent < 0"),
    **dict.fromkeys(("limit", "head", "first", "last"), "the number of results is a parameter of the request, limit"),
    **dict.fromkeys(("sort", "order", "orderby", "sortby"), "the order of results is a hint: with (order=duration)"),
    **dict.fromkeys(("group", "groupby", "distinct"), "spans are grouped by by(name), metrics by rate() by (name)"),
    **dict.fromkeys(("mean", "average"), "a mean is avg(duration), in metrics avg_over_time(duration)"),
    "median": "a median is quantile_over_time(duration, .5)",
    **dict.fromkeys(("irate", "increase", "delta", "sum_by", "count_by", "stddev_over_time"), _METRICS),
    **dict.fromkeys((*ast.MetricsFunction, "compare"), _METRICS),
}
_SYMBOLS: Final[Mapping[str, str]] = {
    "'": _QUOTES,
    "&": _AND,
    ",": f"{_AND} or `||`",
    "~": "a regular expression is matched with `=~`",
    "#": "a comment begins with //",
    ";": "a query is one pipeline: leave out the `;`",
    "[": 'names with special characters are written in quotes: span."a b"',
    ":": "values are compared by `=`",
    "!": "unequal is `!=`, in one piece",
    "/": 'a regular expression is written in quotes: =~ "x.*"',
    "$": "Grafana fills in its variables, here their value is written",
}
_PAIRS: Final[Mapping[str, str]] = {
    "==": "equal is one `=`",
    "<>": "unequal is `!=`",
    "=>": "at least is `>=`",
    "=<": "at most is `<=`",
    "~=": "a regular expression is matched with `=~`",
}


def advice(text: str, at: int) -> str:
    """Return a sentence of advice for the text at an invalid position of a query; empty where there is none."""
    return next((found for rule in _RULES if (found := rule(text, at))), "")


def advised(message: str, text: str, at: int) -> str:
    """Append the advice for a position to an error's message."""
    found = advice(text, at)
    return f"{message}; {found}" if found else message


def type_advice(node: ast.Binary | ast.ScalarOperation | ast.ScalarFilter) -> str:
    """Return advice where a quoted value is compared with a field of another type; empty elsewhere."""
    if isinstance(node.left, ast.Unary) and node.left.op is ast.UnaryOperator.NOT:
        return "; `!` denies what is behind it alone: unequal is `!=`, and a denied condition stands in parentheses"
    sides = (node.left, node.right)
    literal = next((side for side in sides if isinstance(side, ast.Static) and side.type is ast.Type.STRING), None)
    types = {type_of(side) for side in sides}
    if literal is None:
        return ""
    for type_, name in ((ast.Type.STATUS, "status"), (ast.Type.KIND, "kind")):
        if type_ in types:
            return f"; {name} is written without quotes, one of {_ENUMS[name]}"
    if ast.Type.DURATION in types:
        return "; a duration is written without quotes, such as 1s"
    return "; a number is written without quotes" if types & {ast.Type.INT, ast.Type.FLOAT} else ""


def _pair(text: str, at: int) -> str:
    return _PAIRS.get(text[max(at - 1, 0) : at + 1], "")


def _quote(text: str, at: int) -> str:
    is_quote = unicodedata.category(text[at : at + 1] or " ") in ("Pi", "Pf") or text[at : at + 1] in _LOW_QUOTES
    return _QUOTES if text[at : at + 1] and is_quote else ""


def _odd_blank(text: str, at: int) -> str:
    character = text[at : at + 1]
    if not character or unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cf", "Cc"):
        return ""
    name = unicodedata.name(character, "a control character").lower()
    return f"U+{ord(character):04X}, {name}, is not white space in TraceQL: write a plain space or leave it out"


def _symbol(text: str, at: int) -> str:
    return "" if text.startswith("&&", at) else _SYMBOLS.get(text[at : at + 1], "")


def _subscript(text: str, at: int) -> str:
    found = _SUBSCRIPT.match(text, at)
    if found is None:
        return ""
    scope, key = found.groups()
    return f'attributes are written {scope}.{key}, or {scope}."{key}" with special characters'


def _arithmetic(text: str, at: int) -> str:
    is_sign = text[at : at + 1] in tuple("+-*/")
    if not is_sign or not _METRIC_BEFORE.search(text[max(at - _LOOK_BACK, 0) : at]):
        return ""
    return f"metrics in arithmetic stand in parentheses: ({{ }} | rate()) {text[at]} 1"


def _dotted(text: str, at: int) -> str:
    prefix = _PREFIX.match(text, at)
    found = _WORD.match(text, prefix.end()) if prefix else _DOTTED.match(text, at)
    if found is None:
        return ""
    longer = _DOTTED.match(text, found.start()) or found
    return _attribute(longer.group()[:80])


def _attribute(name: str) -> str:
    return f"attributes are written .{name}, span.{name} or resource.{name}"


def _of_intrinsic(text: str, at: int) -> str:
    """Advise on a dot behind an intrinsic, as in ``status.code``."""
    rest, before = _AFTER_DOT.match(text, at), _OF_INTRINSIC.search(text[max(at - _LOOK_BACK, 0) : at])
    return _attribute(f"{before.group(1)}.{rest.group(1)}") if rest and before else ""


def _colon(text: str, at: int) -> str:
    found = _COLON.match(text, at)
    return f"attributes are written {found.group(1)}.{found.group(2)}" if found else ""


def _of_trace(text: str, at: int) -> str:
    names = ", ".join(sorted(name for name in INTRINSIC_NAMES if name.startswith("trace:")))
    return f"fields of traces are {names}" if text.startswith("trace.", at) else ""


def _other_case(text: str, at: int) -> str:
    """Advise on an intrinsic, a stage or a function in other letters."""
    word = _word(text, at)
    known = _BY_LOWER_CASE.get(word.lower(), word)
    return "" if known == word else f"it is written `{known}`"


def _window(text: str, at: int) -> str:
    is_argument = text[at : at + 1] == "[" or text[:at].endswith("(")
    return "the window of time is a parameter of the request, step" if is_argument and _WINDOW.match(text, at) else ""


def _unit(text: str, at: int) -> str:
    before = _DIGIT_BEFORE.search(text, max(at - _LOOK_BACK, 0), at)
    if not before:
        return ""
    word = _word(text, at)
    if word.rstrip("s") in _LONG_UNITS:
        return "units of durations are ns, us, ms, s, m, h, d, w, y, as in 1m30s"
    return "a duration has no blank before its unit: 1s" if word in _UNITS else ""


def _enum(text: str, at: int) -> str:
    word = _ENUM_PREFIX.sub("", _word(text, at))
    before = _ENUM_BEFORE.search(text[max(at - _LOOK_BACK, 0) : at])
    if word and before:
        return f"{before.group(1)} is one of {_ENUMS[before.group(1)]}"
    return f"it is written `{word.lower()}`, in lower case" if word.lower() in _ENUM_WORDS else ""


def _quantile(text: str, at: int) -> str:
    if text[:at].endswith("quantile_over_time("):
        return "the field comes before the quantiles: quantile_over_time(duration, .9)"
    word = _word(text, at).lower()
    if re.fullmatch(r"p\d{1,4}(_over_time)?|percentile(_over_time)?|quantile|histogram_quantile", word):
        return "quantiles are quantile_over_time(duration, .99)"
    return ""


def _known_word(text: str, at: int) -> str:
    return _WORDS.get(_word(text, at).lower(), "")


def _word(text: str, at: int) -> str:
    found = _WORD.match(text, at)
    return found.group()[:_LOOK_BACK] if found else ""


_RULES: Final[tuple[Callable[[str, int], str], ...]] = (
    _pair,
    _quote,
    _odd_blank,
    _window,
    _subscript,
    _colon,
    _unit,
    _quantile,
    _of_trace,
    _other_case,
    _known_word,
    _enum,
    _dotted,
    _of_intrinsic,
    _arithmetic,
    _symbol,
)
