"""Log groups, which go when the stack goes."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct


def log_group(scope: Construct, name: str, full_name: str, days: int) -> logs.LogGroup:
    """A log group that keeps its lines for so many days."""
    group = logs.LogGroup(scope, name, log_group_name=full_name, removal_policy=RemovalPolicy.DESTROY)
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = days  # the CDK counts them in words
    return group
