"""Which operators work on which types: every operator between values of every two types."""

import pytest

from spanlake.traceql import TypeMismatch, ast, parse, validate

LITERALS = {
    "int": "1",
    "float": "1.5",
    "duration": "1s",
    "string": '"a"',
    "bool": "true",
    "status": "ok",
    "kind": "server",
}
NUMBERS = {"int", "float", "duration"}
UNKNOWN = (".a", "span.a", "resource.a", "event.a", "link.a", "instrumentation.a", "parent.a")

ORDERED = "int float duration string"
WORKS_ON = {
    **dict.fromkeys(["+", "-", "*", "/", "%", "^"], "int float duration"),
    **dict.fromkeys(["<", "<=", ">", ">="], ORDERED),
    **dict.fromkeys(["=", "!="], f"{ORDERED} bool status kind"),
    **dict.fromkeys(["=~", "!~"], "string"),
    **dict.fromkeys(["&&", "||"], "bool"),
}


def is_accepted(condition: str) -> bool:
    try:
        validate(parse(f"{{ {condition} }}"))
    except TypeMismatch:
        return False
    return True


def test_operand_types_cover_every_operator() -> None:
    assert set(WORKS_ON) == set(ast.BinaryOperator)


@pytest.mark.parametrize("operator", WORKS_ON)
def test_check_accepts_only_literals_that_suit_operator(operator: str) -> None:
    types = WORKS_ON[operator].split()
    computed = ast.BinaryOperator(operator).is_arithmetic
    for left, one in LITERALS.items():
        for right, other in LITERALS.items():
            fits = left in types and right in types and (left == right or {left, right} <= NUMBERS)
            condition = f"({one} {operator} {other})"
            assert is_accepted(f"{condition} = 1" if computed else condition) == fits, condition


@pytest.mark.parametrize("operator", WORKS_ON)
@pytest.mark.parametrize("attribute", UNKNOWN)
def test_check_accepts_attribute_with_any_literal_of_operator(operator: str, attribute: str) -> None:
    computed = ast.BinaryOperator(operator).is_arithmetic
    for type_, literal in LITERALS.items():
        condition = f"({attribute} {operator} {literal})"
        assert is_accepted(f"{condition} = 1" if computed else condition) == (type_ in WORKS_ON[operator].split())


@pytest.mark.parametrize(
    ("field", "type_"),
    [
        ("duration", "duration"),
        ("traceDuration", "duration"),
        ("event:timeSinceStart", "duration"),
        ("name", "string"),
        ("statusMessage", "string"),
        ("rootName", "string"),
        ("rootServiceName", "string"),
        ("trace:id", "string"),
        ("span:id", "string"),
        ("span:parentID", "string"),
        ("event:name", "string"),
        ("link:traceID", "string"),
        ("link:spanID", "string"),
        ("nestedSetLeft", "int"),
        ("nestedSetRight", "int"),
        ("nestedSetParent", "int"),
        ("span:childCount", "int"),
        ("status", "status"),
        ("kind", "kind"),
        ("parent.duration", "duration"),
        ("parent.name", "string"),
        ("parent.status", "status"),
    ],
)
def test_check_accepts_intrinsic_with_literals_of_its_type_only(field: str, type_: str) -> None:
    fitting = {other for other, literal in LITERALS.items() if is_accepted(f"{field} = {literal}")}
    assert fitting == (NUMBERS if type_ in NUMBERS else {type_})


@pytest.mark.parametrize("type_", LITERALS)
def test_check_accepts_unary_operators_by_type(type_: str) -> None:
    literal = LITERALS[type_]
    assert is_accepted(f"-(.a = {literal}) = 1") is False
    assert is_accepted(f"-{literal} = {literal}") == (type_ in NUMBERS)
    assert is_accepted(f"!{literal}") == (type_ == "bool")


@pytest.mark.parametrize("type_", LITERALS)
def test_check_accepts_boolean_condition_only(type_: str) -> None:
    assert is_accepted(LITERALS[type_]) == (type_ == "bool")


@pytest.mark.parametrize(
    ("condition", "is_right"),
    [
        ("!.a", True),
        ("!.a = .b", True),
        ("!.a = true", True),
        ("!.a = 1", False),
        ("!.a < .b", False),
        (".a + .b = 1s", True),
        (".a + .b", False),
        (".a % .b && .c", False),
        ("-.a = 1.5", True),
        ("-.a", False),
        ('-.a = "x"', False),
        ("(.a + .b) =~ `x`", False),
    ],
)
def test_denial_is_boolean_and_arithmetic_a_number_whatever_the_data(condition: str, is_right: bool) -> None:
    assert is_accepted(condition) == is_right
