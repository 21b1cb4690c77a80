"""Storage under chaos, a directory or S3 with DynamoDB, and how a test reads what a dead server left in it."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from spanlake.ingest.log_recovery import store_logged
from spanlake.server.storage import Store
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from tests.cloud import Cloud


class ChaosStorage(Protocol):
    """Where the servers of a run keep blocks and index."""

    @property
    def arguments(self) -> Sequence[str]:
        """Arguments of commands that use the storage."""

    @property
    def backend(self) -> str:
        """Its name in the table of points of death."""

    @property
    def takes_in(self) -> bool:
        """True where the start of a server takes in blocks without an entry; elsewhere ``spanlake reindex`` does."""

    def opened(self) -> AbstractContextManager[Store]:
        """Open it as another process would."""

    def left(self) -> AbstractContextManager[Store]:
        """Open it without changing anything."""


@dataclass(frozen=True)
class Directory:
    """Storage in a directory, with an index beside the blocks."""

    data: Path
    backend: str = "local"
    takes_in: bool = True

    @property
    def arguments(self) -> Sequence[str]:
        """Arguments of commands that use the storage."""
        return ("--data", str(self.data))

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Open it as another process would."""
        index = SqliteIndex(self.data / "index.sqlite")
        try:
            yield Store(LocalObjects(self.data), index)
        finally:
            index.close()

    @contextmanager
    def left(self) -> Iterator[Store]:
        """Open it without changing anything: a copy, with what its log holds in blocks."""
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory, "data")
            shutil.copytree(self.data, copy, ignore=shutil.ignore_patterns("index.sqlite-shm"))
            store = Store(LocalObjects(copy), SqliteIndex(copy / "index.sqlite"))
            try:
                store_logged(copy, store.objects, store.index)
                yield store
            finally:
                store.index.close()


@dataclass(frozen=True)
class CloudStorage:
    """Storage in a bucket, with its index in a DynamoDB table; this process must have the environment of both."""

    bucket: str
    table: str
    backend: str = "cloud"
    takes_in: bool = False

    @classmethod
    def new(cls, cloud: Cloud) -> "CloudStorage":
        """A new bucket and a new table."""
        return cls(cloud.bucket(), cloud.table())

    @property
    def arguments(self) -> Sequence[str]:
        """Arguments of commands that use the storage."""
        return ("--objects", f"s3://{self.bucket}/lake", "--index", f"dynamodb://{self.table}")

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """Open it as another process would."""
        from spanlake.store.index.dynamodb.index import DynamoIndex
        from spanlake.store.objects.s3 import S3Location, S3Objects

        index = DynamoIndex(self.table)
        try:
            yield Store(S3Objects(S3Location(self.bucket, "lake")), index)
        finally:
            index.close()

    def left(self) -> AbstractContextManager[Store]:
        """Open it without changing anything: reading leaves no trace."""
        return self.opened()
