"""The edge's stack, inside the other one."""

from aws_cdk import NestedStack, Stack
from constructs import Construct

from spanlake_cdk.edge.balancer import Balancer
from spanlake_cdk.edge.network import Network
from spanlake_cdk.edge.tasks import Tasks
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

_DESCRIPTION = (
    "spanlake's edge, for OTLP, Jaeger and OpenCensus over gRPC and Jaeger over UDP. It costs something all the time."
)


class Edge(NestedStack):
    """A load balancer and the tasks behind it, which take spans in."""

    def __init__(self, scope: Construct, name: str, settings: Settings, storage: Storage) -> None:
        super().__init__(scope, name, description=_DESCRIPTION)
        family = f"{Stack.of(scope).stack_name}-edge"
        network = Network(self, "Network", settings)
        tasks = Tasks(self, "Tasks", family, settings, network, storage)
        balancer = Balancer(self, "Balancer", settings, network, tasks.service)
        tasks.scale()
        self.host = balancer.balancer.load_balancer_dns_name
        self.otlp_grpc_url = balancer.otlp_grpc_url
