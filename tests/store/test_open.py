"""Storage by what an operator calls it."""

import subprocess
import sys
from pathlib import Path

import pytest

from spanlake.store.errors import StoreError
from spanlake.store.index.sqlite import SqliteIndex
from spanlake.store.objects.local import LocalObjects
from spanlake.store.open import open_index, open_objects


def test_without_urls_all_is_in_the_directory(tmp_path: Path) -> None:
    assert isinstance(open_objects("", tmp_path), LocalObjects)
    index = open_index("", tmp_path, None)
    index.close()
    assert isinstance(index, SqliteIndex)
    assert (tmp_path / "index.sqlite").exists()


@pytest.mark.parametrize("url", ["lake", "s3:/lake", "s3://", "gs://lake", "s3://lake/../other", "S3://lake"])
def test_urls_that_name_no_bucket_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError):
        open_objects(url, tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "table",
        "dynamodb:table",
        "dynamodb://",
        "dynamodb://ab",
        "dynamodb://a/b",
        "dynamodb://table?create",
        "dynamodb://table?create=yes",
        "dynamodb://table?region=x",
        "sqlite://table",
    ],
)
def test_urls_that_name_no_table_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError, match="does not name a table"):
        open_index(url, tmp_path, None)


def test_without_boto3_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("objects.s3", "index.dynamodb.index"):
        monkeypatch.setitem(sys.modules, f"spanlake.store.{module}", None)
    with pytest.raises(StoreError, match=r"spanlake\[aws\]"):
        open_objects("s3://lake", tmp_path)
    with pytest.raises(StoreError, match=r"spanlake\[aws\]"):
        open_index("dynamodb://table", tmp_path, None)


def test_on_embedded_storage_boto3_is_not_loaded() -> None:
    program = "import sys, spanlake.server.compose, spanlake.server.run; sys.exit('botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
