"""Defines the ports that the edge listens on."""

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_ecs as ecs

HEALTH = 8080


@dataclass(frozen=True)
class Port:
    """Port of the load balancer and of the tasks behind it."""

    name: str
    number: int
    udp: bool = False

    @property
    def protocol(self) -> ecs.Protocol:
        """Transport protocol of the port."""
        return ecs.Protocol.UDP if self.udp else ecs.Protocol.TCP


PORTS = (
    Port("Otlp", 4317),
    Port("JaegerGrpc", 14250),
    Port("OpenCensus", 55678),
    Port("JaegerCompact", 6831, udp=True),
    Port("JaegerBinary", 6832, udp=True),
)

PASSAGES: Sequence[tuple[ec2.Port, str]] = (
    (ec2.Port.tcp(4317), "OTLP over gRPC"),
    (ec2.Port.tcp(14250), "Jaeger over gRPC"),
    (ec2.Port.tcp(55678), "OpenCensus over gRPC"),
    (ec2.Port.udp_range(6831, 6832), "Jaeger over UDP"),
)
