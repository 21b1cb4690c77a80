"""Log groups, which go when the stack goes."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from spanlake_cdk.settings import Settings


def log_group(scope: Construct, name: str, full_name: str, settings: Settings) -> logs.LogGroup:
    """A log group that keeps its lines as long as the settings say."""
    group = logs.LogGroup(scope, name, log_group_name=full_name, removal_policy=RemovalPolicy.DESTROY)
    resource = group.node.default_child
    assert isinstance(resource, logs.CfnLogGroup)
    resource.retention_in_days = settings.log_retention_days  # the CDK counts them in words
    resource.kms_key_id = settings.kms_key_arn or None
    return group
