"""Defines the settings: the parameters of template.yaml, with its names, defaults and limits."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import re
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any

_ON_OR_OFF = {"one_of": ("ENABLED", "DISABLED")}
_LOG_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_ROLLOUTS = ("AllAtOnce", "Canary10Percent5Minutes", "Canary10Percent15Minutes", "Linear10PercentEvery1Minute")


class InvalidSetting(ValueError):
    """A setting that can not be; says which, and what it may be."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of a deployment, each named like the template's parameter, in lower case; raises InvalidSetting."""

    # Data ---------------------------------------------------------------------------------------------------------
    retention_days: int = field(default=14, metadata={"least": 0})
    """Days for which spans are kept; 0 keeps them until somebody removes them. Any number, other than in the template,
    which can not add."""
    keep_table: bool = True
    """Deletion protection of the index table."""
    existing_bucket: str = ""
    """Bucket that an earlier stack has left, to go on with. It keeps its own policy and lifecycle."""
    existing_table: str = ""
    """Index table that an earlier stack has left. It belongs to existing_bucket, and to no other."""
    existing_table_stream_arn: str = field(default="", metadata={"pattern": "(arn:.+/stream/.+)?"})
    """ARN of existing_table's stream (LatestStreamArn), which wakes compaction."""
    kms_key_arn: str = field(default="", metadata={"pattern": "(arn:.+:key/.+)?"})
    """ARN of a key of KMS for bucket, table, queue, tokens, logs and variables; without one they have keys of AWS."""

    # Athena -------------------------------------------------------------------------------------------------------
    athena: bool = False
    """A table for Athena, where queries of large ranges run then, for 5 dollars a TB."""
    athena_bytes_per_day: int = field(default=107_374_182_400, metadata={"least": 1})
    """Bytes that Athena may scan in a day before an alarm is raised."""
    athena_scan_limit_bytes: int = field(default=10_737_418_240, metadata={"least": 10_000_000})
    """Bytes that one query of Athena may scan before it is stopped. Athena charges for each."""
    glue_database_name: str = field(default="spanlake", metadata={"pattern": "[a-z0-9_]{1,32}"})
    """Name of the database of the table spans. Another one for each installation in an account."""

    # Who may send and ask -----------------------------------------------------------------------------------------
    existing_tokens_arn: str = field(default="", metadata={"pattern": "(arn:.+:secret:.+)?"})
    """ARN of a secret of tokens that is there, such as an earlier stack's or the one from before another authorizer."""
    use_iam: bool = False
    """Callers sign requests as IAM roles or users (SigV4), in place of tokens."""
    jwt_issuer: str = field(default="", metadata={"pattern": "(https://.+)?"})
    """URL of whoever issues JSON Web Tokens. Without it, bearer tokens in a secret are what counts."""
    jwt_audience: str = ""
    """The audience (aud, or client_id) that JSON Web Tokens must be for."""
    tenant_claim: str = field(default="tenant", metadata={"pattern": "[!-~]{1,32}"})
    """Claim of a JSON Web Token that names the tenant."""
    tenant_map: str = field(default="", metadata={"pattern": "[A-Za-z0-9._~:/?#&=,-]*"})
    """Tenants by value of that claim, or by name of an IAM role or user, as in collector=team-a,grafana=team-a."""
    default_tenant: str = field(default="", metadata={"pattern": "[A-Za-z0-9._-]*"})
    """The tenant of JSON Web Tokens and IAM principals that name none. Without it they are refused."""
    jwt_roles: str = field(default="read,write", metadata={"pattern": "[a-z]+(,[a-z]+)*"})
    """Roles of JSON Web Tokens without a scope such as spanlake:read; none refuses them."""
    token_cache_seconds: int = field(default=300, metadata={"least": 0, "most": 3600})
    """Seconds for which API Gateway caches the authorizer's answer to a bearer token. 0 asks each time."""
    cors_origins: tuple[str, ...] = ()
    """Origins of web pages that may send spans, such as https://shop.example. * is any, without credentials."""

    # Where it is reached ------------------------------------------------------------------------------------------
    domain_name: str = field(default="", metadata={"pattern": r"([a-z0-9*-]+(\.[a-z0-9-]+)+)?"})
    """Domain of the API's own, such as traces.example.com. The API then answers at no other."""
    domain_certificate_arn: str = ""
    """Certificate of domain_name, of ACM in this region."""
    base_path: str = field(default="", metadata={"pattern": "[A-Za-z0-9._~-]*"})
    """Path below domain_name, such as spanlake; empty for all of it."""

    rest_api: bool = False
    """A REST API that takes spans in too, through which compressed JSON gets, for 3.50 dollars a million requests."""

    # What the account is protected from ---------------------------------------------------------------------------
    requests_per_second: int = field(default=100, metadata={"least": 1})
    """Requests to each route of the API, on average; more are answered with 429."""
    requests_at_once: int = field(default=200, metadata={"least": 1})
    """Requests to each route of the API that may come in one burst."""
    authorize_concurrency: int = field(default=0, metadata={"least": 0})
    """Tokens checked at the same time, reserved from the account's concurrency. 0 reserves and limits nothing."""
    ingest_concurrency: int = field(default=0, metadata={"least": 0})
    """Requests taken in at the same time, reserved from the account's concurrency. 0 reserves and limits nothing."""
    query_concurrency: int = field(default=0, metadata={"least": 0})
    """Queries answered at the same time, likewise."""
    compact_concurrency: int = field(default=0, metadata={"least": 0})
    """Compactions done at the same time, likewise."""

    # Functions ----------------------------------------------------------------------------------------------------
    ingest_memory_mib: int = field(default=1024, metadata={"least": 512, "most": 10240})
    """Memory of the function that takes spans in. A request may be a sixteenth of it when decompressed."""
    query_memory_mib: int = field(default=1024, metadata={"least": 768, "most": 10240})
    """Memory of the function that answers queries. More is quicker too."""
    compact_memory_mib: int = field(default=1024, metadata={"least": 768, "most": 10240})
    """Memory of the functions that merge blocks and remove what is too old."""
    architecture: str = field(default="arm64", metadata={"one_of": ("arm64", "x86_64")})
    """Processor of the functions and the edge. For x86_64 make the layers with ARGS="--machine x86_64"."""
    function_subnet_ids: tuple[str, ...] = ()
    """Subnets for the functions, which need endpoints there for S3, DynamoDB, Secrets Manager and Lambda."""
    function_security_group_ids: tuple[str, ...] = ()
    """Security groups of the functions in function_subnet_ids."""
    permissions_boundary_arn: str = field(default="", metadata={"pattern": "(arn:.+:policy/.+)?"})
    """ARN of the policy that bounds all roles of the stack."""
    rollout: str = field(default="AllAtOnce", metadata={"one_of": _ROLLOUTS})
    """Way in which new versions of authorize, ingest and query take over: at once, or bit by bit by CodeDeploy, which
    takes them back when they fail. Its four alarms are charged for."""
    revision: str = ""
    """Any text. The template needs another one to publish functions anew; the CDK sees by itself when to."""
    snap_start: str = field(default="None", metadata={"one_of": ("None", "PublishedVersions")})
    """PublishedVersions starts functions from snapshots, for which AWS charges also when nothing happens."""

    # What functions allow; empty is spanlake's own default --------------------------------------------------------
    max_request_bytes: str = ""
    """Size limit of a request, decompressed, such as 32MiB. Otherwise it follows from the memory."""
    query_timeout_seconds: str = ""
    """Query timeout in seconds. API Gateway waits for 30 seconds."""
    query_memory_limit: str = ""
    """Memory of all queries together, such as 512MiB. Otherwise it follows from the function's memory."""
    query_spans_limit: str = ""
    """Spans in the blocks that one query reads; 0 for any number."""
    query_series_limit: str = ""
    """Series of one metrics query."""
    query_points_limit: str = ""
    """Points of all series of one metrics query together."""
    query_spansets_limit: str = ""
    """Spansets and pipeline stages in one query's text."""
    query_terms_limit: str = ""
    """Fields and operators in one query's text."""
    athena_above: str = ""
    """Size of a range's blocks above which queries run in Athena, such as 4GiB."""

    # What is told of it -------------------------------------------------------------------------------------------
    alarm_topic_arn: str = field(default="", metadata={"pattern": "(arn:aws[a-z-]*:sns:.+)?"})
    """ARN of the SNS topic that is told when something is wrong. Without it and alarm_email there are no alarms."""
    alarm_email: str = field(default="", metadata={"pattern": "([^@ ]+@[^@ ]+)?"})
    """Address that alarms are sent to where no topic is named; AWS asks its owner to confirm."""
    log_retention_days: int = field(default=14, metadata={"one_of": _LOG_DAYS})
    """Days for which logs are kept."""
    log_level: str = field(default="INFO", metadata={"one_of": ("DEBUG", "INFO", "WARNING", "ERROR")})
    """Least severity of what functions log."""
    tracing: bool = False
    """X-Ray tracing of functions."""

    # The edge -----------------------------------------------------------------------------------------------------
    edge_image: str = field(default="", metadata={"pattern": "(.+@sha256:[0-9a-f]{64})?"})
    """Image of spanlake's edge for the architecture, by its digest (URI@sha256:...). Without one there is no edge."""
    edge_vpc_id: str = ""
    """VPC of the senders, in which the edge is. Without one it gets a VPC of its own, for senders on the internet."""
    edge_subnet_ids: tuple[str, ...] = ()
    """Subnets of that VPC, in several availability zones."""
    edge_assign_public_ip: str = field(default="ENABLED", metadata=_ON_OR_OFF)
    """Public addresses of the edge's tasks, through which they fetch their image and write logs. DISABLED
    needs a NAT gateway, or VPC endpoints for ecr.api, ecr.dkr, logs, s3 and dynamodb."""
    edge_scheme: str = field(default="internal", metadata={"one_of": ("internal", "internet-facing")})
    """Reach of the edge: the VPC alone, or the internet."""
    edge_clients: str = field(default="10.0.0.0/8", metadata={"pattern": r"\d{1,3}(\.\d{1,3}){3}/\d{1,2}"})
    """IPv4 addresses that may send to the edge, in CIDR notation."""
    edge_certificate_arn: str = ""
    """Certificate with which the edge's gRPC ports speak TLS. Without one they speak plain text."""
    edge_tokens_secret_arn: str = field(default="", metadata={"pattern": "(none|arn:.+:secret:.+)?"})
    """ARN of another secret of tokens for the edge's senders than the API's. none asks for no tokens, and believes the
    tenants that senders name."""
    edge_udp_tenant: str = field(default="", metadata={"pattern": "[A-Za-z0-9._-]*"})
    """Tenant of spans over UDP, which has no tokens; empty refuses them, unless no tokens are asked for."""
    edge_size: str = field(default="medium", metadata={"one_of": ("small", "medium", "large", "xlarge", "2xlarge")})
    """CPU and memory of a task, with limits of requests that fit."""
    edge_tasks_least: int = field(default=1, metadata={"least": 1})
    """Tasks of the edge that always run."""
    edge_tasks_most: int = field(default=4, metadata={"least": 1})
    """Tasks of the edge at most."""

    def __post_init__(self) -> None:
        """Refuse what the template refuses."""
        for described in fields(self):
            _check(described, getattr(self, described.name))
        for is_wrong, complaint in self._rules():
            if is_wrong:
                raise InvalidSetting(complaint)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        existing = (self.existing_bucket, self.existing_table, self.existing_table_stream_arn)
        is_public = self.edge_scheme == "internet-facing"
        yield (
            any(existing) and not all(existing),
            "ExistingBucket, ExistingTable and ExistingTableStreamArn go together",
        )
        issued = "JwtIssuer needs JwtAudience, or tokens that were issued for others would do"
        yield bool(self.jwt_issuer) and not self.jwt_audience, issued
        named = "DomainName needs DomainCertificateArn, and BasePath needs DomainName"
        has_domain = bool(self.domain_name and self.domain_certificate_arn)
        yield bool(self.domain_name or self.base_path) and not has_domain, named
        grouped = "FunctionSubnetIds needs FunctionSecurityGroupIds"
        yield bool(self.function_subnet_ids) and not self.function_security_group_ids, grouped
        yield bool(self.edge_vpc_id) and not self.edge_subnet_ids, "EdgeVpcId needs EdgeSubnetIds"
        reached = "EdgeImage needs the senders' EdgeVpcId, or EdgeScheme=internet-facing; nobody is in a new VPC"
        yield bool(self.edge_image) and not self.edge_vpc_id and not is_public, reached
        guarded = "EdgeScheme=internet-facing needs EdgeCertificateArn and tokens"
        yield is_public and not (self.edge_certificate_arn and not self.edge_asks_nothing), guarded
        unknown = "EdgeImage with UseIam needs EdgeTokensSecretArn, since the edge knows no signatures"
        yield bool(self.edge_image) and self.use_iam and not self.edge_tokens_secret_arn, unknown
        unchecked = "RestApi takes tokens or signatures of IAM, and cannot check JSON Web Tokens"
        yield self.rest_api and bool(self.jwt_issuer) and not self.use_iam, unchecked

    @property
    def uses_tokens(self) -> bool:
        """True where bearer tokens in a secret count."""
        return not self.use_iam and not self.jwt_issuer

    @property
    def edge_asks_nothing(self) -> bool:
        """True where the edge's senders need no tokens."""
        return self.edge_tokens_secret_arn == "none"  # noqa: S105  (the word for no secret)

    @property
    def is_gradual(self) -> bool:
        """True where new versions take over bit by bit."""
        return self.rollout != "AllAtOnce"

    @property
    def starts_from_snapshots(self) -> bool:
        """True where functions that answer requests start from snapshots."""
        return self.snap_start == "PublishedVersions"

    @property
    def retention(self) -> str:
        """Retention of spans in the form of the functions' and the edge's setting."""
        return f"{self.retention_days}d"

    @property
    def has_alarms(self) -> bool:
        """True where somebody hears of alarms."""
        return bool(self.alarm_topic_arn or self.alarm_email)

    @property
    def span_table(self) -> str:
        """Name of Athena's table with its database's; empty where there is none."""
        return f"{self.glue_database_name}.spans" if self.athena else ""

    @property
    def object_days(self) -> int | None:
        """Days after which objects expire; None for never.

        It is a week longer than spans are kept: entries of the index go two days after the last span of their day is
        too old, and none may be there whose object is gone, also when clocks were ahead.
        """
        return self.retention_days + 7 if self.retention_days else None


def _check(described: "Field[Any]", value: Any) -> None:
    limits: Mapping[str, Any] = described.metadata
    one_of = limits.get("one_of")
    if one_of and value not in one_of:
        raise InvalidSetting(f"{described.name} is {value!r}; it may be {', '.join(map(str, one_of))}")
    if value < limits.get("least", value):
        raise InvalidSetting(f"{described.name} is {value}; it may be {limits['least']} or more")
    if value > limits.get("most", value):
        raise InvalidSetting(f"{described.name} is {value}; it may be {limits['most']} or less")
    if "pattern" in limits and not re.fullmatch(limits["pattern"], value):
        raise InvalidSetting(f"{described.name} is {value!r}, which is not of the form {limits['pattern']}")
