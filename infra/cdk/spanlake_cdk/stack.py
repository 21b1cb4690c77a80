"""The stack: what it is made of, and what it tells."""

from pathlib import Path
from typing import Any

from aws_cdk import CfnOutput, Stack
from aws_cdk import aws_sns as sns
from constructs import Construct

from spanlake_cdk.api import Api
from spanlake_cdk.authorization import Tokens, authorizer_without_tokens, tokens_arn
from spanlake_cdk.functions import Functions
from spanlake_cdk.included import Included
from spanlake_cdk.layers import Layers
from spanlake_cdk.rollout import Rollout
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

_DESCRIPTION = (
    "spanlake: the Grafana Tempo API over Parquet in S3. Nothing runs while nothing happens, unless the edge is "
    "asked for."
)


class Spanlake(Stack):
    """An installation of spanlake, in whatever account and region it is deployed to."""

    def __init__(
        self, scope: Construct, name: str, settings: Settings, *, functions: Path, layers: Path, **about: Any
    ) -> None:
        """``about`` is for the stack itself, such as its tags."""
        super().__init__(scope, name, description=_DESCRIPTION, **about)
        self._settings = settings
        self._storage = Storage(self, "Storage", settings)
        self._layers = Layers(self, "Layers", layers, settings)
        self._tokens_arn = tokens_arn(self, settings)
        self._functions = Functions(
            self,
            "Functions",
            settings,
            folder=functions,
            layers=self._layers,
            storage=self._storage,
            tokens_arn=self._tokens_arn,
        )
        self._tokens = self._authorization(functions)
        self._api = Api(
            self,
            "Http",
            settings,
            ingest=self._functions.ingest,
            query=self._functions.query,
            authorizer=self._tokens.authorizer if self._tokens else authorizer_without_tokens(settings),
        )
        self._topic = self._alarm_topic()
        self._outputs()
        if settings.is_gradual:
            self._rollout()
        if settings.has_alarms:
            self._alarms()
        if settings.rest_api:
            self._rest()
        if settings.athena:
            self._analytics()
        if settings.edge_image:
            self._edge()

    def _authorization(self, functions: Path) -> Tokens | None:
        """Tokens, when there is no issuer of JSON Web Tokens and IAM is not used."""
        if not self._settings.uses_tokens:
            return None
        return Tokens(
            self,
            "Authorization",
            self._settings,
            secret_arn=self._tokens_arn,
            folder=functions / "authorize",
            layer=self._layers.common,
            role=self._functions.role("Authorize"),
        )

    def _rollout(self) -> None:
        functions = {"Ingest": self._functions.ingest, "Query": self._functions.query}
        if self._tokens:
            functions["Authorize"] = self._tokens.authorize
        parameters = {
            "Name": self.stack_name,
            "ApiId": self._api.api.api_id,
            "HasTokens": "true" if self._tokens else "false",
            "PermissionsBoundary": self._settings.permissions_boundary_arn,
        }
        Rollout(self, "Deployments", self._settings, functions, Included(self, "Rollouts", "rollouts", parameters))

    def _rest(self) -> None:
        settings = self._settings
        parameters = {
            "Name": self.stack_name,
            "IngestFunction": self._functions.ingest.alias.function_arn,
            "AuthorizeFunction": self._tokens.authorize.alias.function_arn if self._tokens else "",
            "TokenCacheSeconds": settings.token_cache_seconds,
            "RequestsPerSecond": settings.requests_per_second,
            "RequestsAtOnce": settings.requests_at_once,
            "TenantMap": settings.tenant_map,
            "DefaultTenant": settings.default_tenant,
            "TopicArn": self._topic,
        }
        rest = Included(self, "Rest", "rest", parameters)
        about = "Where exporters of compressed JSON send, with the paths of the others"
        self._output("RestUrl", rest.output("Url"), about)

    def _alarm_topic(self) -> str:
        """ARN of the topic that is told of alarms: the given one, or a new one for an address; empty for none."""
        if self._settings.alarm_topic_arn or not self._settings.alarm_email:
            return self._settings.alarm_topic_arn
        subscription = sns.CfnTopic.SubscriptionProperty(protocol="email", endpoint=self._settings.alarm_email)
        signals = Construct(self, "Signals")
        topic = sns.CfnTopic(
            signals, "AlarmTopic", display_name=f"{self.stack_name} alarms", subscription=[subscription]
        )
        return topic.ref

    def _alarms(self) -> None:
        parameters = {
            "Name": self.stack_name,
            "TopicArn": self._topic,
            "HasTokens": "true" if self._tokens else "false",
            "ApiId": self._api.api.api_id,
            "AccessLog": self._api.log.log_group_name,
            "Table": self._storage.table,
            "UndoneQueue": self._functions.undone.queue_name,
        }
        Included(self, "Alarms", "alarms", parameters)

    def _analytics(self) -> None:
        settings = self._settings
        first = f"NOW-{settings.object_days}DAYS" if settings.object_days is not None else "2020-01-01"
        parameters = {
            "Name": self.stack_name,
            "Bucket": self._storage.bucket,
            "DatabaseName": settings.glue_database_name,
            "Dates": f"{first},NOW+1DAYS",
            "ScanLimitBytes": settings.athena_scan_limit_bytes,
            "BytesPerDay": settings.athena_bytes_per_day,
            "TopicArn": self._topic,
            "KmsKeyArn": settings.kms_key_arn,
        }
        analytics = Included(self, "Analytics", "athena", parameters)
        self._output("AthenaWorkgroup", analytics.output("Workgroup"), "Workgroup for questions to Athena")
        self._output("AthenaTable", analytics.output("Table"), "Table of spans in the Glue catalog")

    def _edge(self) -> None:
        settings = self._settings
        own = "" if settings.edge_asks_nothing else settings.edge_tokens_secret_arn or self._tokens_arn
        parameters = {
            "Name": self.stack_name,
            "Image": settings.edge_image,
            "Bucket": self._storage.bucket,
            "Table": self._storage.table,
            "Retention": settings.retention,
            "VpcId": settings.edge_vpc_id,
            "SubnetIds": list(settings.edge_subnet_ids),
            "AssignPublicIp": settings.edge_assign_public_ip,
            "Scheme": settings.edge_scheme,
            "Clients": settings.edge_clients,
            "CertificateArn": settings.edge_certificate_arn,
            "TokensSecretArn": own,
            "JwtIssuer": "" if settings.edge_asks_nothing or settings.use_iam else settings.jwt_issuer,
            "JwtAudience": settings.jwt_audience,
            "TenantClaim": settings.tenant_claim,
            "TenantMap": settings.tenant_map,
            "DefaultTenant": settings.default_tenant,
            "JwtRoles": settings.jwt_roles,
            "UdpTenant": settings.edge_udp_tenant,
            "Size": settings.edge_size,
            "Architecture": settings.architecture,
            "TopicArn": self._topic,
            "KmsKeyArn": settings.kms_key_arn,
            "PermissionsBoundary": settings.permissions_boundary_arn,
            "TasksLeast": settings.edge_tasks_least,
            "TasksMost": settings.edge_tasks_most,
            "LogRetentionDays": settings.log_retention_days,
        }
        edge = Included(self, "Edge", "edge", parameters)
        self._output("EdgeHost", edge.output("Host"), "Name of the edge's load balancer")
        self._output("EdgeOtlpGrpcUrl", edge.output("OtlpGrpcUrl"), "OTLP over gRPC")

    def _outputs(self) -> None:
        url = self._api.url
        otlp = (
            "Where everything speaks HTTP; OTEL_EXPORTER_OTLP_ENDPOINT with OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
        )
        self._output("ApiUrl", url, otlp)
        self._output("OtlpHttpUrl", f"{url}/v1/traces", "OTLP over HTTP")
        self._output("JaegerHttpUrl", f"{url}/api/traces", "Jaeger, Thrift over HTTP")
        self._output("ZipkinUrl", f"{url}/api/v2/spans", "Zipkin v2; v1 is at /api/v1/spans")
        self._output("GrafanaUrl", url, "URL of Grafana's data source, of the type Tempo")
        if self._tokens:
            secret = "Secret of the bearer tokens; lines of `spanlake token`"  # noqa: S105
            self._output("TokensSecretArn", self._tokens_arn, secret)
        self._output("Bucket", self._storage.bucket, "Bucket of the blocks")
        self._output("Table", self._storage.table, "Table of the index")
        if self._api.domain_target:
            self._output("DomainTarget", self._api.domain_target, "Target of the DNS record of DomainName")
        self._output("UndoneQueueUrl", self._functions.undone.queue_url, "Queue that tells what was given up")
        self._output("MetricsNamespace", self.stack_name, "Namespace of spanlake's metrics in CloudWatch")

    def _output(self, name: str, value: str, description: str) -> None:
        CfnOutput(self, name, value=value, description=description)
