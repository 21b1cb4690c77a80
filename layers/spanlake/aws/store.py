"""The storage that functions share. Nothing is asked of it until there is a request, so that a start costs nothing."""

from dataclasses import dataclass

from spanlake.settings.model import Config
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.open import table_named


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
