"""Words of TraceQL: attributes, intrinsics and literals."""

import pytest

from spanlake.traceql import ParseError
from spanlake.traceql.ast.nodes import (
    Attribute,
    AttributeScope,
    Intrinsic,
    IntrinsicField,
    Kind,
    Node,
    Static,
    Status,
    Type,
)
from spanlake.traceql.lexer import lex
from spanlake.traceql.tokens import TokenKind

NONE, RESOURCE, SPAN = AttributeScope.NONE, AttributeScope.RESOURCE, AttributeScope.SPAN

ATTRIBUTES = [
    (".foo", Attribute(NONE, "foo")),
    (".foo.bar.3", Attribute(NONE, "foo.bar.3")),
    (".duration", Attribute(NONE, "duration")),
    (".http-status_code+1*2/3%4", Attribute(NONE, "http-status_code+1*2/3%4")),
    (".größe", Attribute(NONE, "größe")),
    (".a//b", Attribute(NONE, "a//b")),
    (r".a\b", Attribute(NONE, r"a\b")),
    ("span.http.method", Attribute(SPAN, "http.method")),
    ("span.5xx", Attribute(SPAN, "5xx")),
    ("resource.service.name", Attribute(RESOURCE, "service.name")),
    ("event.exception.type", Attribute(AttributeScope.EVENT, "exception.type")),
    ("link.kind", Attribute(AttributeScope.LINK, "kind")),
    ("instrumentation.language", Attribute(AttributeScope.INSTRUMENTATION, "language")),
    ("parent.foo", Attribute(NONE, "foo", parent=True)),
    ("parent.span.foo", Attribute(SPAN, "foo", parent=True)),
    ("parent.resource.duration", Attribute(RESOURCE, "duration", parent=True)),
    ("parent.duration.foo", Attribute(NONE, "duration.foo", parent=True)),
    ('parent."duration"', Attribute(NONE, "duration", parent=True)),
    ('span."attr with space"', Attribute(SPAN, "attr with space")),
    ('span.foo."bar baz".qux', Attribute(SPAN, "foo.bar baz.qux")),
    ('."5xx"', Attribute(NONE, "5xx")),
    ('.""', Attribute(NONE, "")),
    (r'."a \" b \\ c"', Attribute(NONE, r'a " b \ c')),
]

INTRINSICS = [
    ("duration", Intrinsic.DURATION),
    ("span:duration", Intrinsic.DURATION),
    ("trace:duration", Intrinsic.TRACE_DURATION),
    ("traceDuration", Intrinsic.TRACE_DURATION),
    ("rootServiceName", Intrinsic.TRACE_ROOT_SERVICE),
    ("trace:rootService", Intrinsic.TRACE_ROOT_SERVICE),
    ("trace:rootName", Intrinsic.TRACE_ROOT_NAME),
    ("span:childCount", Intrinsic.CHILD_COUNT),
    ("span: id", Intrinsic.SPAN_ID),
    ("event:timeSinceStart", Intrinsic.EVENT_TIME_SINCE_START),
    ("instrumentation:version", Intrinsic.INSTRUMENTATION_VERSION),
    ("parent", Intrinsic.PARENT),
]

LITERALS = [
    ("0", Type.INT, 0),
    ("9223372036854775807", Type.INT, 2**63 - 1),
    ("maxInt", Type.INT, 2**63 - 1),
    ("minInt", Type.INT, -(2**63)),
    ("1.", Type.FLOAT, 1.0),
    (".5", Type.FLOAT, 0.5),
    ("1e3", Type.FLOAT, 1000.0),
    ("2.5E-3", Type.FLOAT, 0.0025),
    ("1h30m", Type.DURATION, 5_400_000_000_000),
    ("1.5ms", Type.DURATION, 1_500_000),
    (".5us", Type.DURATION, 500),
    ("2d", Type.DURATION, 172_800_000_000_000),
    ('"a \\"quoted\\" \\u00e9 \\x41 \\101 \\n"', Type.STRING, 'a "quoted" é A A \n'),
    ('"\\xc3\\xa9"', Type.STRING, "é"),
    ('`raw \\n "x"`', Type.STRING, 'raw \\n "x"'),
    ("true", Type.BOOL, True),
    ("error", Type.STATUS, Status.ERROR),
    ("unspecified", Type.KIND, Kind.UNSPECIFIED),
]


def node_of(text: str) -> Node | None:
    token, end = lex(text)
    assert end.kind is TokenKind.END
    return token.node


@pytest.mark.parametrize(("text", "attribute"), ATTRIBUTES)
def test_lexer_reads_attribute(text: str, attribute: Attribute) -> None:
    assert node_of(text) == attribute


@pytest.mark.parametrize("terminator", ["}", ")", "=", "~", "!", "<", ">", "&&", "||", "^", ",", "{", "(", " ", "\t"])
def test_lexer_ends_attribute_before_operator(terminator: str) -> None:
    assert next(iter(lex(f".a.b{terminator}"))).node == Attribute(NONE, "a.b")


@pytest.mark.parametrize(("text", "intrinsic"), INTRINSICS)
def test_lexer_reads_intrinsic(text: str, intrinsic: Intrinsic) -> None:
    assert node_of(text) == IntrinsicField(intrinsic)


@pytest.mark.parametrize("name", ["duration", "name", "span:childCount", "rootName"])
def test_lexer_reads_intrinsic_of_the_parent(name: str) -> None:
    own, parents = node_of(name), node_of(f"parent.{name}")
    assert isinstance(own, IntrinsicField)
    assert parents == IntrinsicField(own.intrinsic, parent=True)


@pytest.mark.parametrize(("text", "type_", "value"), LITERALS)
def test_lexer_reads_literal(text: str, type_: Type, value: object) -> None:
    node = node_of(text)
    assert isinstance(node, Static)
    assert (node.type, node.value) == (type_, value)


def test_lexer_prefers_longest_symbol() -> None:
    text = "&& & !>> !> ! >= >> > &<< &~ =~ = || |".replace(" & ", " ")
    assert [token.text for token in lex(text)][:-1] == text.split()


def test_lexer_skips_comments_and_white_space() -> None:
    assert [token.text for token in lex("{ // one\n\t/* two\n */ }")] == ["{", "}", ""]


def test_lexer_yields_tokens_before_an_error() -> None:
    tokens = lex('{ .a = "b')
    assert [next(tokens).text for _ in range(3)] == ["{", ".a", "="]
    with pytest.raises(ParseError, match="not closed"):
        next(tokens)
