"""Converts a syntax tree to text in Tempo's canonical form, in which it names columns of results."""

from spanlake.traceql import ast
from spanlake.traceql.literals import format_duration, quote
from spanlake.traceql.tokens import INTRINSICS, MIN_INT, is_attribute_character

_EXACT = 2**53


def print_query(query: ast.Query) -> str:
    """Return text that parses to an equal tree."""
    body = _pipeline(query.body) if isinstance(query.body, ast.Pipeline) else _metrics(query.body)
    return f"{body} with ({', '.join(map(_hint, query.hints))})" if query.hints else body


def print_expression(node: ast.FieldExpression) -> str:
    """Print a field expression as it is written in braces; operands that are operations are in parentheses."""
    match node:
        case ast.Static():
            return print_static(node)
        case ast.Attribute() | ast.IntrinsicField():
            return print_field(node)
        case ast.Exists():
            return f"{_operand(node.operand)} {'=' if node.negated else '!='} nil"
        case ast.Unary():
            return f"{node.op}{_operand(node.operand)}"
        case ast.Binary():
            return f"{_operand(node.left)} {node.op} {_operand(node.right)}"


def print_field(field: ast.Attribute | ast.IntrinsicField) -> str:
    """Print an attribute or intrinsic as Tempo labels time series with it."""
    parent = "parent." if field.parent else ""
    if isinstance(field, ast.IntrinsicField):
        return parent + field.intrinsic
    scope = f"{field.scope}." if field.scope else ""
    return f"{parent}{scope}{_key(field)}" if parent or scope else f".{_key(field)}"


def print_aggregate(node: ast.Aggregate) -> str:
    """Print ``count()`` or ``max(duration)``, as Tempo names the result of a spanset."""
    return f"{node.function}({print_expression(node.operand) if node.operand else ''})"


def print_static(node: ast.Static) -> str:
    """Print a literal."""
    value = node.value
    match node.type:
        case ast.Type.STRING:
            return quote(str(value))
        case ast.Type.BOOL:
            return "true" if value else "false"
        case ast.Type.DURATION:
            return format_duration(int(value))
        case ast.Type.INT:
            return "minInt" if value == MIN_INT else str(value)
        case _:
            return value.name.lower() if isinstance(value, ast.Status | ast.Kind) else repr(value)


def _operand(node: ast.FieldExpression) -> str:
    text = print_expression(node)
    return f"({text})" if isinstance(node, ast.Exists | ast.Unary | ast.Binary) or _is_negative(node) else text


def _is_negative(node: object) -> bool:
    return isinstance(node, ast.Static) and print_static(node).startswith("-")


def _key(field: ast.Attribute) -> str:
    if field.key and '"' not in field.key and all(map(is_attribute_character, field.key)) and not _misleads(field):
        return field.key
    escaped = field.key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _misleads(field: ast.Attribute) -> bool:
    # Unquoted, .5 is a number, parent.duration an intrinsic and parent.span.a has a scope.
    if field.scope is not ast.AttributeScope.NONE:
        return False
    if field.parent:
        return field.key in INTRINSICS or field.key.startswith(("span.", "resource."))
    return field.key[0].isdecimal()


def _pipeline(pipeline: ast.Pipeline) -> str:
    return " | ".join(map(_stage, pipeline.stages))


def _stage(stage: ast.Stage) -> str:
    match stage:
        case ast.SpansetFilter() | ast.SpansetOperation() | ast.Pipeline():
            return _spanset(stage)
        case ast.ScalarFilter():
            return f"{_scalar_operand(stage.left)} {stage.op} {_scalar_operand(stage.right)}"
        case ast.GroupBy():
            return f"by({print_expression(stage.expression)})"
        case ast.Select():
            return f"select({', '.join(map(print_field, stage.fields))})"
        case ast.Coalesce():
            return "coalesce()"


def _spanset(node: ast.SpansetFilter | ast.SpansetOperation | ast.Pipeline) -> str:
    if isinstance(node, ast.SpansetFilter):
        return f"{{ {print_expression(node.condition)} }}"
    if isinstance(node, ast.Pipeline):
        return f"({_pipeline(node)})"
    sides = (
        f"({_spanset(side)})" if isinstance(side, ast.SpansetOperation) else _spanset(side)
        for side in (node.left, node.right)
    )
    return f" {node.op} ".join(sides)


def _scalar_operand(node: ast.ScalarExpression) -> str:
    return f"({_scalar(node)})" if isinstance(node, ast.ScalarOperation | ast.ScalarPipeline) else _scalar(node)


def _scalar(node: ast.ScalarExpression) -> str:
    match node:
        case ast.Static():
            return print_static(node)
        case ast.Aggregate():
            return print_aggregate(node)
        case ast.ScalarOperation():
            return f"{_scalar_operand(node.left)} {node.op} {_scalar_operand(node.right)}"
        case ast.ScalarPipeline():
            return f"{_pipeline(node.pipeline)} | {_scalar_operand(node.scalar)}"


def _metrics(node: ast.MetricsExpression) -> str:
    match node:
        case ast.Static():
            return print_static(node)
        case ast.MetricsPipeline():
            return f"{_pipeline(node.spans)} | {_aggregation(node.aggregate)}"
        case ast.MetricsOperation():
            return f"{_metrics_operand(node.left)} {node.op} {_metrics_operand(node.right)}"
        case ast.Rank():
            return f"{_metrics(node.series)} | {node.function}({node.limit})"
        case ast.SeriesFilter():
            return f"{_metrics(node.series)} {node.op} {_number(node.value)}"


def _metrics_operand(node: ast.MetricsExpression) -> str:
    return f"({_metrics(node)})" if not isinstance(node, ast.Static) or _is_negative(node) else _metrics(node)


def _aggregation(node: ast.MetricsAggregate | ast.Compare) -> str:
    if isinstance(node, ast.Compare):
        limits = [node.top, *([node.start_ns, node.end_ns] if node.start_ns or node.end_ns else [])]
        return f"compare({', '.join([_stage(node.selection), *map(str, limits)])})"
    arguments = [print_field(node.operand)] if node.operand else []
    call = f"{node.function}({', '.join([*arguments, *map(_number, node.quantiles)])})"
    return f"{call} by ({', '.join(map(print_field, node.by))})" if node.by else call


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < _EXACT else repr(value)


def _hint(hint: ast.Hint) -> str:
    return f"{hint.name}={print_static(hint.value)}"
