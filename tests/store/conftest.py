"""The backends that the suites of Objects and Index run against."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from spanlake.store.index.base import Index
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.base import Objects
from spanlake.store.objects.local import LocalObjects
from tests.cloud import Cloud


def _s3(cloud: Cloud) -> Objects:
    from spanlake.store.objects.s3 import S3Location, S3Objects

    return S3Objects(S3Location(cloud.bucket(), "some/prefix"))


def _dynamodb(cloud: Cloud) -> Callable[[], Index]:
    from spanlake.store.index.dynamodb.index import DynamoIndex

    table = cloud.table()
    return lambda: DynamoIndex(table)


@pytest.fixture(params=["local", "s3"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "s3":
        return _s3(request.getfixturevalue("cloud"))
    return LocalObjects(tmp_path / "objects")


@pytest.fixture(params=["sqlite", "dynamodb"])
def open_index(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Index]:
    """Opens the same index each time, as another process would."""
    if request.param == "dynamodb":
        return _dynamodb(request.getfixturevalue("cloud"))
    return lambda: SqliteIndex(tmp_path / "index.db")


@pytest.fixture
def index(open_index: Callable[[], Index]) -> Iterator[Index]:
    index = open_index()
    yield index
    index.close()
