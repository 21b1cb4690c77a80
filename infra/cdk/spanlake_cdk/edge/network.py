"""Where the edge is: a VPC that is there, or one of its own; and who may speak to whom in it."""

from aws_cdk import Annotations, CfnResource, Fn
from aws_cdk import aws_ec2 as ec2
from constructs import Construct, IConstruct

from spanlake_cdk.edge.ports import HEALTH, PASSAGES
from spanlake_cdk.settings import Settings


class Network(Construct):
    """A VPC, its subnets, and the security groups of the load balancer and of the tasks."""

    def __init__(self, scope: Construct, name: str, settings: Settings) -> None:
        super().__init__(scope, name)
        self.vpc = self._given(settings.edge_vpc_id) if settings.edge_vpc_id else self._new()
        self.subnets = self._subnets(settings.edge_subnet_ids)
        self.assigns_public_ip = not settings.edge_vpc_id or settings.edge_assign_public_ip == "ENABLED"
        self.balancer_group = self._balancer_group(settings.edge_clients)
        self.task_group = self._task_group()

    def _given(self, vpc_id: str) -> ec2.IVpc:
        return ec2.Vpc.from_vpc_attributes(self, "Vpc", vpc_id=vpc_id, availability_zones=[Fn.select(0, Fn.get_azs())])

    def _new(self) -> ec2.IVpc:
        """Defines a VPC without a NAT gateway: the tasks' public addresses cost a tenth of a NAT gateway.

        The endpoints are free, and keep stored data off the internet.
        """
        vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr("10.47.0.0/16"),
            max_azs=2,
            nat_gateways=0,
            subnet_configuration=[
                ec2.SubnetConfiguration(
                    name="Public", subnet_type=ec2.SubnetType.PUBLIC, cidr_mask=20, map_public_ip_on_launch=False
                )
            ],
            gateway_endpoints={
                "S3": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.S3),
                "DynamoDb": ec2.GatewayVpcEndpointOptions(service=ec2.GatewayVpcEndpointAwsService.DYNAMODB),
            },
        )
        for subnet in vpc.public_subnets:
            _after(subnet, vpc.node.find_child("VPCGW"))
        return vpc

    def _subnets(self, ids: tuple[str, ...]) -> ec2.SubnetSelection:
        if not ids:
            return ec2.SubnetSelection(subnet_type=ec2.SubnetType.PUBLIC)
        subnets = [ec2.Subnet.from_subnet_id(self, f"Subnet{number}", id_) for number, id_ in enumerate(ids, 1)]
        for subnet in subnets:
            Annotations.of(subnet).acknowledge_warning("@aws-cdk/aws-ec2:noSubnetRouteTableId", "nobody asks for it")
        return ec2.SubnetSelection(subnets=subnets)

    def _balancer_group(self, clients: str) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self,
            "BalancerGroup",
            vpc=self.vpc,
            description="Who may send spans to the edge of spanlake",
            allow_all_outbound=False,
        )
        for port, description in PASSAGES:
            group.add_ingress_rule(ec2.Peer.ipv4(clients), port, description)
        return group

    def _task_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            self, "TaskGroup", vpc=self.vpc, description="Tasks of the edge of spanlake", allow_all_outbound=False
        )
        group.add_egress_rule(ec2.Peer.any_ipv4(), ec2.Port.tcp(443), "AWS and the image")
        for port, description in (*PASSAGES, (ec2.Port.tcp(HEALTH), "Health checks")):
            self.balancer_group.connections.allow_to(group, port, description)
        return group


def _after(subnet: ec2.ISubnet, attachment: IConstruct) -> None:
    """Have a subnet wait for the VPC's way to the internet, without which a load balancer for it is refused."""
    made = subnet.node.default_child
    assert isinstance(made, CfnResource)
    assert isinstance(attachment, CfnResource)
    made.add_resource_dependency(attachment)
