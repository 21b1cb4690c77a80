"""Words of TraceQL: attributes, intrinsics and literals."""

import pytest

from spanlake.traceql import ParseError, ast
from spanlake.traceql.lexer import lex
from spanlake.traceql.tokens import TokenKind

NONE, RESOURCE, SPAN = ast.AttributeScope.NONE, ast.AttributeScope.RESOURCE, ast.AttributeScope.SPAN

ATTRIBUTES = [
    (".foo", ast.Attribute(NONE, "foo")),
    (".foo.bar.3", ast.Attribute(NONE, "foo.bar.3")),
    (".duration", ast.Attribute(NONE, "duration")),
    (".http-status_code+1*2/3%4", ast.Attribute(NONE, "http-status_code+1*2/3%4")),
    (".größe", ast.Attribute(NONE, "größe")),
    (".a//b", ast.Attribute(NONE, "a//b")),
    (r".a\b", ast.Attribute(NONE, r"a\b")),
    ("span.http.method", ast.Attribute(SPAN, "http.method")),
    ("span.5xx", ast.Attribute(SPAN, "5xx")),
    ("resource.service.name", ast.Attribute(RESOURCE, "service.name")),
    ("event.exception.type", ast.Attribute(ast.AttributeScope.EVENT, "exception.type")),
    ("link.kind", ast.Attribute(ast.AttributeScope.LINK, "kind")),
    ("instrumentation.language", ast.Attribute(ast.AttributeScope.INSTRUMENTATION, "language")),
    ("parent.foo", ast.Attribute(NONE, "foo", parent=True)),
    ("parent.span.foo", ast.Attribute(SPAN, "foo", parent=True)),
    ("parent.resource.duration", ast.Attribute(RESOURCE, "duration", parent=True)),
    ("parent.duration.foo", ast.Attribute(NONE, "duration.foo", parent=True)),
    ('parent."duration"', ast.Attribute(NONE, "duration", parent=True)),
    ('span."attr with space"', ast.Attribute(SPAN, "attr with space")),
    ('span.foo."bar baz".qux', ast.Attribute(SPAN, "foo.bar baz.qux")),
    ('."5xx"', ast.Attribute(NONE, "5xx")),
    ('.""', ast.Attribute(NONE, "")),
    (r'."a \" b \\ c"', ast.Attribute(NONE, r'a " b \ c')),
]

INTRINSICS = [
    ("duration", ast.Intrinsic.DURATION),
    ("span:duration", ast.Intrinsic.DURATION),
    ("trace:duration", ast.Intrinsic.TRACE_DURATION),
    ("traceDuration", ast.Intrinsic.TRACE_DURATION),
    ("rootServiceName", ast.Intrinsic.TRACE_ROOT_SERVICE),
    ("trace:rootService", ast.Intrinsic.TRACE_ROOT_SERVICE),
    ("trace:rootName", ast.Intrinsic.TRACE_ROOT_NAME),
    ("span:childCount", ast.Intrinsic.CHILD_COUNT),
    ("span: id", ast.Intrinsic.SPAN_ID),
    ("event:timeSinceStart", ast.Intrinsic.EVENT_TIME_SINCE_START),
    ("instrumentation:version", ast.Intrinsic.INSTRUMENTATION_VERSION),
    ("parent", ast.Intrinsic.PARENT),
]

LITERALS = [
    ("0", ast.Type.INT, 0),
    ("9223372036854775807", ast.Type.INT, 2**63 - 1),
    ("maxInt", ast.Type.INT, 2**63 - 1),
    ("minInt", ast.Type.INT, -(2**63)),
    ("1.", ast.Type.FLOAT, 1.0),
    (".5", ast.Type.FLOAT, 0.5),
    ("1e3", ast.Type.FLOAT, 1000.0),
    ("2.5E-3", ast.Type.FLOAT, 0.0025),
    ("1h30m", ast.Type.DURATION, 5_400_000_000_000),
    ("1.5ms", ast.Type.DURATION, 1_500_000),
    (".5us", ast.Type.DURATION, 500),
    ("2d", ast.Type.DURATION, 172_800_000_000_000),
    ('"a \\"quoted\\" \\u00e9 \\x41 \\101 \\n"', ast.Type.STRING, 'a "quoted" é A A \n'),
    ('"\\xc3\\xa9"', ast.Type.STRING, "é"),
    ('`raw \\n "x"`', ast.Type.STRING, 'raw \\n "x"'),
    ("true", ast.Type.BOOL, True),
    ("error", ast.Type.STATUS, ast.Status.ERROR),
    ("unspecified", ast.Type.KIND, ast.Kind.UNSPECIFIED),
]


def node_of(text: str) -> ast.Node | None:
    token, end = lex(text)
    assert end.kind is TokenKind.END
    return token.node


@pytest.mark.parametrize(("text", "attribute"), ATTRIBUTES)
def test_lexer_reads_attribute(text: str, attribute: ast.Attribute) -> None:
    assert node_of(text) == attribute


@pytest.mark.parametrize("terminator", ["}", ")", "=", "~", "!", "<", ">", "&&", "||", "^", ",", "{", "(", " ", "\t"])
def test_lexer_ends_attribute_before_operator(terminator: str) -> None:
    assert next(iter(lex(f".a.b{terminator}"))).node == ast.Attribute(NONE, "a.b")


@pytest.mark.parametrize(("text", "intrinsic"), INTRINSICS)
def test_lexer_reads_intrinsic(text: str, intrinsic: ast.Intrinsic) -> None:
    assert node_of(text) == ast.IntrinsicField(intrinsic)


@pytest.mark.parametrize("name", ["duration", "name", "span:childCount", "rootName"])
def test_lexer_reads_intrinsic_of_the_parent(name: str) -> None:
    own, parents = node_of(name), node_of(f"parent.{name}")
    assert isinstance(own, ast.IntrinsicField)
    assert parents == ast.IntrinsicField(own.intrinsic, parent=True)


@pytest.mark.parametrize(("text", "type_", "value"), LITERALS)
def test_lexer_reads_literal(text: str, type_: ast.Type, value: object) -> None:
    node = node_of(text)
    assert isinstance(node, ast.Static)
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
