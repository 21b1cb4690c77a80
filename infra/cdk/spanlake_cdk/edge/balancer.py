"""The network load balancer in front of the edge's tasks: a listener and a group of targets for each port."""

from aws_cdk import Duration
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_elasticloadbalancingv2 as elbv2
from constructs import Construct

from spanlake_cdk.edge.network import Network
from spanlake_cdk.edge.ports import HEALTH, PORTS, Port
from spanlake_cdk.settings import Settings


class Balancer(Construct):
    """Listens on all ports; the gRPC ones speak TLS when there is a certificate."""

    def __init__(
        self, scope: Construct, name: str, settings: Settings, network: Network, service: ecs.FargateService
    ) -> None:
        super().__init__(scope, name)
        self._certificate = settings.edge_certificate_arn
        self._network = network
        self._service = service
        self.balancer = elbv2.NetworkLoadBalancer(
            self,
            "Balancer",
            vpc=network.vpc,
            vpc_subnets=network.subnets,
            internet_facing=settings.edge_scheme == "internet-facing",
            security_groups=[network.balancer_group],
            ip_address_type=elbv2.IpAddressType.IPV4,
            cross_zone_enabled=True,  # one task serves clients of all zones
        )
        for port in PORTS:
            self._listen(port)

    @property
    def otlp_grpc_url(self) -> str:
        """Where OTLP goes over gRPC."""
        protocol = "https" if self._certificate else "http"
        return f"{protocol}://{self.balancer.load_balancer_dns_name}:4317"

    def _listen(self, port: Port) -> None:
        encrypted = bool(self._certificate) and not port.udp
        elbv2.NetworkListener(
            self,
            f"{port.name}Listener",
            load_balancer=self.balancer,
            port=port.number,
            protocol=elbv2.Protocol.TLS if encrypted else _protocol(port),
            certificates=[elbv2.ListenerCertificate.from_arn(self._certificate)] if encrypted else None,
            ssl_policy=elbv2.SslPolicy.RECOMMENDED_TLS if encrypted else None,
            alpn_policy=elbv2.AlpnPolicy.HTTP2_ONLY if encrypted else None,  # gRPC asks for h2
            default_target_groups=[self._targets(port)],
        )

    def _targets(self, port: Port) -> elbv2.NetworkTargetGroup:
        container = self._service.load_balancer_target(
            container_name="edge",
            container_port=port.number,
            protocol=port.protocol,
        )
        return elbv2.NetworkTargetGroup(
            self,
            f"{port.name}Targets",
            vpc=self._network.vpc,
            target_type=elbv2.TargetType.IP,
            protocol=_protocol(port),
            port=port.number,
            health_check=elbv2.HealthCheck(
                protocol=elbv2.Protocol.HTTP,
                port=str(HEALTH),
                path="/ready",
                interval=Duration.seconds(10),
                healthy_threshold_count=2,
                unhealthy_threshold_count=2,
            ),
            deregistration_delay=Duration.minutes(1),  # as long as a task has to finish what it accepted
            targets=[container],
        )


def _protocol(port: Port) -> elbv2.Protocol:
    return elbv2.Protocol.UDP if port.udp else elbv2.Protocol.TCP
