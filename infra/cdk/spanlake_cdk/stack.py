"""The stack: what it is made of, and what it tells."""

from pathlib import Path

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from spanlake_cdk.alarms import Alarms
from spanlake_cdk.analytics import Analytics
from spanlake_cdk.api import Api
from spanlake_cdk.authorization import Tokens, authorizer_without_tokens
from spanlake_cdk.edge.stack import Edge
from spanlake_cdk.functions import Functions
from spanlake_cdk.layers import Layers
from spanlake_cdk.settings import Settings
from spanlake_cdk.storage import Storage

_DESCRIPTION = (
    "spanlake: the Grafana Tempo API over Parquet in S3. Nothing runs while nothing happens, unless the edge is "
    "asked for."
)


class Spanlake(Stack):
    """An installation of spanlake, in whatever account and region it is deployed to."""

    def __init__(self, scope: Construct, name: str, settings: Settings, *, functions: Path, layers: Path) -> None:
        super().__init__(scope, name, description=_DESCRIPTION)
        self._settings = settings
        self._storage = Storage(self, "Storage", settings)
        self._layers = Layers(self, "Layers", layers)
        self._analytics = Analytics(self, "Analytics", settings, self._storage)
        self._functions = Functions(
            self,
            "Functions",
            settings,
            folder=functions,
            layers=self._layers,
            storage=self._storage,
            analytics=self._analytics,
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
        self._alarms()
        self._outputs()
        if settings.edge_image:
            self._edge()

    def _authorization(self, functions: Path) -> Tokens | None:
        """Tokens, when there is no issuer of JSON Web Tokens and IAM is not used."""
        if self._settings.jwt_issuer or self._settings.use_iam:
            return None
        return Tokens(self, "Authorization", self._settings, functions, self._layers.common)

    def _alarms(self) -> None:
        if not (topic := self._settings.alarm_topic_arn):
            return
        authorize = self._tokens.authorize if self._tokens else None
        Alarms(self, "Alarms", topic_arn=topic, functions=self._functions, api=self._api, authorize=authorize)

    def _edge(self) -> None:
        edge = Edge(self, "Edge", self._settings, self._storage)
        self._output("EdgeHost", edge.host, "Name of the edge's load balancer")
        self._output("EdgeOtlpGrpcUrl", edge.otlp_grpc_url, "OTLP over gRPC")

    def _outputs(self) -> None:
        url = self._api.api.api_endpoint
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
            self._output("TokensSecretArn", self._tokens.secret.secret_arn, secret)
        self._output("Bucket", self._storage.lake.bucket_name, "Bucket of the blocks")
        self._output("Table", self._storage.index.table_name, "Table of the index")
        self._output("AthenaWorkgroup", self._analytics.workgroup, "Workgroup for questions to Athena")
        self._output("AthenaTable", self._analytics.table, "Table of spans in the Glue catalog")
        self._output("UndoneQueueUrl", self._functions.undone.queue_url, "Queue that tells what was given up")
        self._output("MetricsNamespace", self.stack_name, "Namespace of spanlake's metrics in CloudWatch")

    def _output(self, name: str, value: str, description: str) -> None:
        CfnOutput(self, name, value=value, description=description)
