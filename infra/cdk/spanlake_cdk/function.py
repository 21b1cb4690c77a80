"""Defines a function: its log, its place, and the version that is live."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aws_cdk import Annotations, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from spanlake_cdk.layers import RUNTIME, architecture
from spanlake_cdk.log import log_group
from spanlake_cdk.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Shape:
    """Properties that differ between functions."""

    description: str
    memory_mib: int
    seconds: int
    layers: Sequence[lambda_.ILayerVersion]
    environment: Mapping[str, str]
    role: iam.IRole
    snap_start: bool = False
    concurrency: int = 0
    """Reserved concurrency; 0 reserves and limits nothing."""


class Function(Construct):
    """A function that is called by its alias, which follows the newest version."""

    def __init__(self, scope: Construct, name: str, settings: Settings, folder: Path, shape: Shape) -> None:
        super().__init__(scope, name)
        full_name = f"{Stack.of(self).stack_name}-{folder.name}"
        self._log = log_group(self, "Log", f"/aws/lambda/{full_name}", settings)
        self.function = lambda_.Function(
            self,
            "Function",
            function_name=full_name,
            description=shape.description,
            runtime=RUNTIME,
            architecture=architecture(settings),
            handler="handler.handler",
            code=lambda_.Code.from_asset(str(folder), exclude=["__pycache__"]),
            layers=list(shape.layers),
            role=shape.role,
            memory_size=shape.memory_mib,
            timeout=Duration.seconds(shape.seconds),
            reserved_concurrent_executions=shape.concurrency or None,
            snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if shape.snap_start else None,
            log_group=self._log,
            tracing=lambda_.Tracing.ACTIVE if settings.tracing else lambda_.Tracing.PASS_THROUGH,
            environment={**_telemetry(self, folder.name, settings), **shape.environment},
            # Old versions stay, so that an alias can go back; scripts/aws/versions.py removes all but two.
            current_version_options=lambda_.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        # The CDK says so of each function, whether it has versions or not.
        warnings = Annotations.of(self.function)
        warnings.acknowledge_warning("@aws-cdk/aws-lambda:snapStartRequirePublish", "alias is of a version")
        self._place(settings)
        self.alias = self.function.add_alias("live")

    def _place(self, settings: Settings) -> None:
        resource = self.function.node.default_child
        assert isinstance(resource, lambda_.CfnFunction)
        resource.kms_key_arn = settings.kms_key_arn or None
        if settings.function_subnet_ids:
            resource.vpc_config = lambda_.CfnFunction.VpcConfigProperty(
                subnet_ids=list(settings.function_subnet_ids),
                security_group_ids=list(settings.function_security_group_ids),
            )


def _telemetry(scope: Construct, name: str, settings: Settings) -> dict[str, str]:
    return {
        "POWERTOOLS_SERVICE_NAME": f"spanlake-{name}",
        "POWERTOOLS_LOG_LEVEL": settings.log_level,
        "POWERTOOLS_METRICS_NAMESPACE": Stack.of(scope).stack_name,
        "POWERTOOLS_TRACE_DISABLED": "false" if settings.tracing else "true",
    }
