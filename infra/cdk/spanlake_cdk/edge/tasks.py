"""The edge's tasks on Fargate: what runs in them, what they may do, and how many there are."""

from aws_cdk import Annotations, Aws, Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from constructs import Construct

from spanlake_cdk import permissions
from spanlake_cdk.edge.network import Network
from spanlake_cdk.edge.ports import HEALTH, PORTS
from spanlake_cdk.log import log_group
from spanlake_cdk.permissions import allow
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

_PULLS_IMAGE = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")


class Tasks(Construct):
    """A service of as many tasks as there is work for."""

    def __init__(
        self, scope: Construct, name: str, family: str, settings: Settings, network: Network, storage: Storage
    ) -> None:
        super().__init__(scope, name)
        self._settings = settings
        self._storage = storage
        self._log = log_group(self, "Log", f"/aws/ecs/{family}", settings.log_retention_days)
        cluster = ecs.Cluster(
            self,
            "Cluster",
            vpc=network.vpc,
            container_insights_v2=ecs.ContainerInsights.DISABLED,  # charged for as metrics of one's own
        )
        self.service = ecs.FargateService(
            self,
            "Service",
            cluster=cluster,
            task_definition=self._task(family),
            propagate_tags=ecs.PropagatedTagSource.SERVICE,
            desired_count=settings.edge_tasks_least,
            health_check_grace_period=Duration.minutes(1),
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
            min_healthy_percent=100,
            max_healthy_percent=200,
            vpc_subnets=network.subnets,
            security_groups=[network.task_group],
            assign_public_ip=network.assigns_public_ip,
        )

    def scale(self) -> None:
        """Let the number of tasks follow their work; what stands behind a load balancer has to be known by then."""
        self.service.auto_scale_task_count(
            min_capacity=self._settings.edge_tasks_least, max_capacity=self._settings.edge_tasks_most
        ).scale_on_cpu_utilization(
            "Cpu",
            policy_name="cpu",
            target_utilization_percent=60,
            scale_out_cooldown=Duration.minutes(1),
            scale_in_cooldown=Duration.minutes(5),
        )

    def _task(self, family: str) -> ecs.FargateTaskDefinition:
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=family,
            cpu=512,
            memory_limit_mib=1024,
            runtime_platform=ecs.RuntimePlatform(
                cpu_architecture=ecs.CpuArchitecture.ARM64, operating_system_family=ecs.OperatingSystemFamily.LINUX
            ),
            execution_role=self._execution_role(),
            task_role=self._task_role(),
        )
        linux = ecs.LinuxParameters(self, "Linux", init_process_enabled=True)
        linux.drop_capabilities(ecs.Capability.ALL)
        container = task.add_container(
            "edge",
            image=ecs.ContainerImage.from_registry(self._settings.edge_image),
            command=self._command(),
            environment={"AWS_DEFAULT_REGION": Aws.REGION},
            port_mappings=_port_mappings(),
            user="65532:65532",
            readonly_root_filesystem=True,
            linux_parameters=linux,
            stop_timeout=Duration.minutes(2),  # the longest that Fargate waits for what was accepted
            logging=ecs.LogDrivers.aws_logs(stream_prefix="edge", log_group=self._log),
        )
        # The CDK looks for policies that it has added itself.
        Annotations.of(container).acknowledge_warning(
            "@aws-cdk/aws-ecs:ecrImageRequiresPolicy", "_execution_role has it"
        )
        return task

    def _command(self) -> list[str]:
        objects = f"s3://{self._storage.lake.bucket_name}"
        index = f"dynamodb://{self._storage.index.table_name}"
        retention = self._settings.retention
        listen = "0.0.0.0"  # noqa: S104  # of a task, which its security group guards
        where = ["--listen", listen, "--allow-anonymous"]
        return ["edge", *where, "--objects", objects, "--index", index, "--retention", retention]

    def _execution_role(self) -> iam.IRole:
        repositories = f"arn:{Aws.PARTITION}:ecr:{Aws.REGION}:{Aws.ACCOUNT_ID}:repository/*"
        return self._role(
            "ExecutionRole",
            "start",
            allow("Registry", ["ecr:GetAuthorizationToken"], "*"),  # is of no repository
            allow("Image", _PULLS_IMAGE, repositories),
            permissions.log(self._log.log_group_arn),
        )

    def _task_role(self) -> iam.IRole:
        lake = self._storage.lake
        return self._role(
            "TaskRole",
            "edge",
            allow("Blocks", ["s3:PutObject"], lake.arn_for_objects("spans/*")),
            allow("Identity", ["s3:GetObject", "s3:PutObject"], lake.arn_for_objects("store.json")),
            # It looks at the start whether the bucket is there, and whether table and bucket belong together.
            allow("Bucket", ["s3:ListBucket"], lake.bucket_arn),
            permissions.adds_blocks(self._storage.index.table_arn),
        )

    def _role(self, name: str, policy: str, *statements: iam.PolicyStatement) -> iam.IRole:
        own_account = {"StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID}}
        role = iam.Role(
            self,
            name,
            assumed_by=iam.ServicePrincipal("ecs-tasks.amazonaws.com", conditions=own_account),
            inline_policies={policy: iam.PolicyDocument(statements=list(statements))},
        )
        return role.without_policy_updates()  # the CDK would grant more, and once more what is granted here


def _port_mappings() -> list[ecs.PortMapping]:
    listening = [ecs.PortMapping(container_port=port.number, protocol=port.protocol) for port in PORTS]
    return [*listening, ecs.PortMapping(container_port=HEALTH, protocol=ecs.Protocol.TCP)]
