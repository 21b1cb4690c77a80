"""The storage that functions share. Nothing is asked of it until there is a request, so that a start costs nothing."""

from dataclasses import dataclass

from spanlake.config import Config
from spanlake.store.dynamodb import DynamoIndex
from spanlake.store.opening import table_named
from spanlake.store.s3 import S3Location, S3Objects


@dataclass(frozen=True, slots=True)
class LambdaStore:
    """Blocks in S3, and the index in DynamoDB."""

    objects: S3Objects
    index: DynamoIndex

    @classmethod
    def open(cls, config: Config) -> "LambdaStore":
        """The storage that the settings name, with clients that have no connections yet; raises StoreError."""
        objects = S3Objects(S3Location.parse(config.objects))
        table, _ = table_named(config.index)
        index = DynamoIndex(table, config.retention, objects.session)
        _ = objects.client  # made now: it takes 100 ms, which a snapshot, or the boost at the start, bears
        return cls(objects, index)
