"""Holds the prices of AWS in US East (N. Virginia), in dollars, without discounts, taxes and offers to new accounts.

List prices as known on the date below; each names the page that has the current price.
"""

from dataclasses import dataclass

DATE = "2026-11-26"
HOURS = 730
"""Of a month, as AWS counts."""
_PRICING = "https://aws.amazon.com"


@dataclass(frozen=True)
class Price:
    """Price of one unit of a service."""

    what: str
    unit: str
    dollars: float
    page: str
    free: float = 0.0
    """Units a month that no account is ever charged for."""


_LAMBDA = f"{_PRICING}/lambda/pricing/"
_API = f"{_PRICING}/api-gateway/pricing/"
_S3 = f"{_PRICING}/s3/pricing/"
_DYNAMODB = f"{_PRICING}/dynamodb/pricing/on-demand/"
_CLOUDWATCH = f"{_PRICING}/cloudwatch/pricing/"
_SECRETS = f"{_PRICING}/secrets-manager/pricing/"
_FARGATE = f"{_PRICING}/fargate/pricing/"
_BALANCER = f"{_PRICING}/elasticloadbalancing/pricing/"
_VPC = f"{_PRICING}/vpc/pricing/"
_EC2 = f"{_PRICING}/ec2/pricing/on-demand/"
_EBS = f"{_PRICING}/ebs/pricing/"

LAMBDA_REQUEST = Price("Lambda requests", "request", 0.20e-6, _LAMBDA, free=1e6)
LAMBDA_TIME = Price("Lambda time, arm64", "GB-second", 0.0000133334, _LAMBDA, free=400_000)
SNAPSTART_CACHE = Price("SnapStart, snapshots kept", "GB-second", 0.0000015046, _LAMBDA)
API_REQUEST = Price("API Gateway, HTTP API", "request of 512 KB", 1.00e-6, _API)
S3_PUT = Price("S3 PUT", "request", 5.0e-6, _S3)
S3_GET = Price("S3 GET", "request", 0.4e-6, _S3)
S3_STORAGE = Price("S3 Standard", "GB-month", 0.023, _S3)
DYNAMODB_WRITE = Price("DynamoDB writes, on demand", "unit of 1 KB", 0.625e-6, _DYNAMODB)
DYNAMODB_READ = Price("DynamoDB reads, on demand", "unit of 4 KB", 0.125e-6, _DYNAMODB)
DYNAMODB_STORAGE = Price("DynamoDB storage", "GB-month", 0.25, _DYNAMODB, free=25)
DYNAMODB_RECOVERY = Price("DynamoDB point-in-time recovery", "GB-month", 0.20, _DYNAMODB)
LOG_INGEST = Price("CloudWatch Logs, taken in", "GB", 0.50, _CLOUDWATCH, free=5)
LOG_STORAGE = Price("CloudWatch Logs, kept", "GB-month", 0.03, _CLOUDWATCH)
METRIC = Price("CloudWatch metrics of one's own", "metric-month", 0.30, _CLOUDWATCH, free=10)
ALARM = Price("CloudWatch alarms", "alarm-month", 0.10, _CLOUDWATCH, free=10)
SECRET = Price("Secrets Manager", "secret-month", 0.40, _SECRETS)
SECRET_CALL = Price("Secrets Manager calls", "call", 5.0e-6, _SECRETS)
EVENT = Price("EventBridge, rules by schedule", "event", 0.0, f"{_PRICING}/eventbridge/pricing/")
QUEUE_REQUEST = Price("SQS", "request", 0.40e-6, f"{_PRICING}/sqs/pricing/", free=1e6)
ATHENA = Price("Athena", "TB scanned", 5.00, f"{_PRICING}/athena/pricing/")
XRAY_RECORDED = Price("X-Ray, traces recorded", "trace", 5.0e-6, f"{_PRICING}/xray/pricing/", free=100_000)
XRAY_READ = Price("X-Ray, traces retrieved or scanned", "trace", 0.5e-6, f"{_PRICING}/xray/pricing/", free=1_000_000)
FARGATE_CPU = Price("Fargate, arm64", "vCPU-hour", 0.03238, _FARGATE)
FARGATE_MEMORY = Price("Fargate memory, arm64", "GB-hour", 0.00356, _FARGATE)
BALANCER = Price("Network Load Balancer", "hour", 0.0225, _BALANCER)
BALANCER_USE = Price("Network Load Balancer use", "NLCU-hour", 0.006, _BALANCER)
PUBLIC_IPV4 = Price("public IPv4 address", "hour", 0.005, _VPC)
T4G_MEDIUM = Price("EC2 t4g.medium, 2 vCPU, 4 GiB", "hour", 0.0336, _EC2)
GP3 = Price("EBS gp3", "GB-month", 0.08, _EBS)
