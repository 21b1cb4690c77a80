"""The bucket of the blocks and the table of the index, which stay when the stack goes."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_s3 as s3
from constructs import Construct

from spanlake_cdk.settings import Settings


class Storage(Construct):
    """Bucket and table that hold the spans."""

    def __init__(self, scope: Construct, name: str, settings: Settings) -> None:
        super().__init__(scope, name)
        # Not versioned: blocks never change, and what compaction replaces would be paid for a second time.
        self.lake = s3.Bucket(
            self,
            "Lake",
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=_lifecycle(settings.object_days),
        )
        # Encrypted with a key of DynamoDB's own, which costs nothing. Keys of KMS are charged for by the request.
        self.index = dynamodb.Table(
            self,
            "Index",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.DEFAULT,
            time_to_live_attribute="expires",
            stream=dynamodb.StreamViewType.KEYS_ONLY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=settings.keep_table,
            removal_policy=RemovalPolicy.RETAIN,
        )

    @property
    def locations(self) -> dict[str, str]:
        """Where both are, as functions are told."""
        return {
            "SPANLAKE_OBJECTS": f"s3://{self.lake.bucket_name}",
            "SPANLAKE_INDEX": f"dynamodb://{self.index.table_name}",
        }

    @property
    def stream_arn(self) -> str:
        """The stream of what changes in the index."""
        arn = self.index.table_stream_arn
        assert arn is not None  # since there is a stream
        return arn


def _lifecycle(object_days: int | None) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(id="results-of-athena", prefix="athena/", expiration=Duration.days(1)),
        s3.LifecycleRule(id="uploads-that-were-given-up", abort_incomplete_multipart_upload_after=Duration.days(1)),
    ]
    if object_days is not None:
        rules.insert(0, s3.LifecycleRule(id="spans-are-too-old", expiration=Duration.days(object_days)))
    return rules
