"""The bucket of the blocks and the table of the index, which stay when the stack goes."""

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from spanlake_cdk.settings import Settings


class Storage(Construct):
    """Bucket and table that hold the spans."""

    def __init__(self, scope: Construct, name: str, settings: Settings) -> None:
        super().__init__(scope, name)
        self._settings = settings
        if settings.existing_bucket:
            self.bucket = settings.existing_bucket
            self.table = settings.existing_table
            self.stream_arn = settings.existing_table_stream_arn
            return
        self.bucket = self._bucket().bucket_name
        index = self._table()
        self.table = index.table_name
        assert index.table_stream_arn is not None  # since there is a stream
        self.stream_arn = index.table_stream_arn

    def _bucket(self) -> s3.Bucket:
        """Defines the bucket. It is not versioned: blocks never change, and replaced blocks would be paid for twice."""
        key = _key(self, "LakeKey", self._settings)
        return s3.Bucket(
            self,
            "Lake",
            encryption=s3.BucketEncryption.KMS if key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=key,
            bucket_key_enabled=True if key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
            lifecycle_rules=_lifecycle(self._settings.object_days),
        )

    def _table(self) -> dynamodb.Table:
        """Defines the table. A key of DynamoDB's own costs nothing; keys of KMS are charged for by the request."""
        key = _key(self, "IndexKey", self._settings)
        return dynamodb.Table(
            self,
            "Index",
            partition_key=dynamodb.Attribute(name="pk", type=dynamodb.AttributeType.STRING),
            sort_key=dynamodb.Attribute(name="sk", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=key,
            time_to_live_attribute="expires",
            stream=dynamodb.StreamViewType.KEYS_ONLY,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=self._settings.keep_table,
            removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        )

    @property
    def locations(self) -> dict[str, str]:
        """Where both are, as functions are told."""
        return {"SPANLAKE_OBJECTS": f"s3://{self.bucket}", "SPANLAKE_INDEX": f"dynamodb://{self.table}"}


def _key(scope: Construct, name: str, settings: Settings) -> kms.IKey | None:
    return kms.Key.from_key_arn(scope, name, settings.kms_key_arn) if settings.kms_key_arn else None


def _lifecycle(object_days: int | None) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(id="results-of-athena", prefix="athena/", expiration=Duration.days(1)),
        s3.LifecycleRule(id="uploads-that-were-given-up", abort_incomplete_multipart_upload_after=Duration.days(1)),
    ]
    if object_days is not None:
        rules.insert(0, s3.LifecycleRule(id="spans-are-too-old", expiration=Duration.days(object_days)))
    return rules
