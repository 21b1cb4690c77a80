"""Grants the functions' permissions, in statements of IAM."""

from collections.abc import Sequence

from aws_cdk import aws_iam as iam


def allow(sid: str, actions: Sequence[str], *resources: str) -> iam.PolicyStatement:
    """A statement that allows actions on resources."""
    return iam.PolicyStatement(sid=sid, actions=list(actions), resources=list(resources))


def log(arn: str) -> iam.PolicyStatement:
    """Writes to a log group that is there."""
    return allow("Log", ["logs:CreateLogStream", "logs:PutLogEvents"], arn)


def traces() -> iam.PolicyStatement:
    """Tells X-Ray, which has nothing that could be named."""
    return allow("Traces", ["xray:PutTraceSegments", "xray:PutTelemetryRecords"], "*")


def adds_blocks(index_arn: str) -> iam.PolicyStatement:
    """Adds entries to the index."""
    actions = ["BatchWriteItem", "ConditionCheckItem", "Query", "UpdateItem"]
    return allow("Index", _of("dynamodb", actions), index_arn)


def replaces_blocks(index_arn: str) -> iam.PolicyStatement:
    """Swaps entries of the index for others."""
    actions = ["BatchGetItem", "BatchWriteItem", "Query", "UpdateItem"]
    return allow("Index", _of("dynamodb", actions), index_arn)


def invokes(arn: str) -> iam.PolicyStatement:
    """Hands units of work to a function."""
    return allow("Units", ["lambda:InvokeFunction"], arn)


def sends_undone(queue_arn: str) -> iam.PolicyStatement:
    """Tells of what was given up."""
    return allow("Undone", ["sqs:SendMessage"], queue_arn)


def _of(service: str, actions: Sequence[str]) -> list[str]:
    return [f"{service}:{action}" for action in actions]
