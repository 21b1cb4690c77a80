"""DuckDB reads blocks in S3: these, with the process's credentials, and nothing else."""

import json
import os
import random
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from spanlake.query.engine.block_cache import CachePolicy
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.httpfs import HttpfsCredentials
from spanlake.query.limits import Limits
from spanlake.query.open import open_querier
from spanlake.query.plan import plan_search
from spanlake.query.querier import Querier
from spanlake.query.search import Search
from spanlake.settings.model import QueryLimits
from spanlake.spans.otlp.decode import decode
from spanlake.store.blocks.parquet import encode
from spanlake.store.errors import BlockDamaged, StorageUnavailable, StoreError
from spanlake.store.index.dynamodb.index import DynamoIndex
from spanlake.store.objects.s3 import S3Location, S3Objects
from spanlake.store.write import write
from spanlake.traceql import SizeLimits, parse, validate
from tests.cloud import Cloud, calls
from tests.query.kit import MINUTE, NOON, At, request, trace_id
from tests.server_process import patiently
from tests.store.tables import busy_table

PATH = "spans/tenant=%2A%27x/date=2026-11-22/0123.parquet"
SPANS = 50


@pytest.fixture
def objects(cloud: Cloud) -> S3Objects:
    return filled(S3Objects(S3Location(cloud.bucket(), "lake")))


@pytest.fixture
def duck(objects: S3Objects) -> Iterator[DuckDB]:
    yield from opened(objects)


def filled(objects: S3Objects) -> S3Objects:
    objects.put(PATH, encode(busy_table(SPANS)))
    return objects


def opened(objects: S3Objects) -> Iterator[DuckDB]:
    duck = DuckDB([], Limits(threads=1), HttpfsCredentials(objects))
    yield duck
    duck.close()


def count(duck: DuckDB, uri: str) -> int:
    query = f"SELECT count(*) AS spans FROM read_parquet('{uri}')"
    return int(duck.execute(query, duck.session().check)["spans"][0].as_py())


def test_it_reads_a_block(duck: DuckDB, objects: S3Objects) -> None:
    assert count(duck, objects.uri(PATH)) == SPANS


def test_what_was_read_once_is_not_asked_for_again(duck: DuckDB, objects: S3Objects, cloud: Cloud) -> None:
    count(duck, objects.uri(PATH))
    before = requests(cloud, objects)
    assert count(duck, objects.uri(PATH)) == SPANS
    assert requests(cloud, objects)[len(before) :] == ["s3_PutObject"], "the marker itself"


def requests(cloud: Cloud, objects: S3Objects) -> list[str]:
    """Returns the server's requests for the bucket, the last being a marker that is put now."""
    marker = f"marker-{secrets.token_hex(8)}"
    objects.put(marker, b"")
    for _ in patiently():
        lines = [line for line in cloud.s3_log.read_text().splitlines() if objects.location.bucket in line]
        if marker in lines[-1]:
            return [next(word for word in line.split() if word.startswith("s3_")) for line in lines]
    raise TimeoutError


def test_a_request_costs_one_put_and_one_write_and_a_search_its_days_and_its_reads(cloud: Cloud) -> None:
    objects, index = S3Objects(S3Location(cloud.bucket())), DynamoIndex(cloud.table())
    for number in (1, 2):
        table = decode([request([At(number, trace=number)])]).table
        with calls(objects.client) as puts, calls(index.client) as writes:
            write(objects, index, "a", table, bytes([number]))
    assert puts == ["PutObject"]
    assert len(writes) == 1

    for duck in opened(objects):
        querier = Querier(index, objects, duck, SizeLimits(), is_index_far=True)
        plan = plan_search(validate(parse("{ }")))
        for reads in (True, False):  # what was read once is kept
            before = requests(cloud, objects)
            with calls(index.client) as asked:
                assert len(querier.search("a", Search(plan, NOON - MINUTE, NOON + MINUTE, 10, 3))) == 2
            assert asked == ["Query"] * 3, "the day, the list of days, and each day that is near"
            assert bool(requests(cloud, objects)[len(before) : -1]) is reads
    index.close()


def test_small_blocks_are_read_whole_and_once(cloud: Cloud) -> None:
    objects, index = S3Objects(S3Location(cloud.bucket(), "lake")), DynamoIndex(cloud.table())
    for number in (1, 2, 3):
        write(objects, index, "a", decode([request([At(number, trace=number)])]).table, bytes([number]))
    querier = open_querier(objects, index, QueryLimits(), None)
    before = len(requests(cloud, objects))
    plan = plan_search(validate(parse("{ }")))
    for _ in range(2):
        assert len(querier.search("a", Search(plan, NOON - MINUTE, NOON + MINUTE, 10, 3))) == 3
        assert querier.trace("a", trace_id(2)) is not None
    assert requests(cloud, objects)[before:-1] == ["s3_GetObject"] * 3
    for block in index.find("a", 0, 2**63 - 1):
        objects.delete(block.path)
    assert len(querier.search("a", Search(plan, NOON - MINUTE, NOON + MINUTE, 10, 3))) == 3
    querier.duck.close()
    index.close()


@pytest.mark.parametrize("damage", ["flipped", "cut short", "longer"])
def test_damaged_large_block_in_a_bucket_is_an_error_that_names_it(cloud: Cloud, damage: str) -> None:
    """Such a block is read by ranges, and DuckDB compares no checksums."""
    objects, index = S3Objects(S3Location(cloud.bucket(), "lake")), DynamoIndex(cloud.table())
    spans = [At(number, trace=number, attributes={"n": number}) for number in range(1, 60)]
    (block,) = write(objects, index, "a", decode([request(spans)]).table, b"x")
    querier = open_querier(objects, index, QueryLimits(), None, cache=CachePolicy(small=0, largest=0))
    wanted = Search(plan_search(validate(parse("{ span.n > 0 }"))), NOON - MINUTE, NOON + MINUTE, 100, 3)
    with calls(objects.client) as made:
        for _ in range(3):
            assert len(querier.search("a", wanted)) == 59
        assert querier.trace("a", trace_id(7)) is not None
    assert made.count("HeadObject") == 1, "once a minute"
    good = objects.get(block.path)
    rng = random.Random(5)
    for _ in range(8):
        querier.checks._right_far.clear()
        at = rng.randrange(len(good))
        flipped = good[:at] + bytes([good[at] ^ 1 << rng.randrange(8)]) + good[at + 1 :]
        objects.put(block.path, {"flipped": flipped, "cut short": good[:at], "longer": good + b"x"}[damage])
        with pytest.raises(BlockDamaged, match=block.id):
            querier.search("a", wanted)
        with pytest.raises(BlockDamaged, match=block.id):
            querier.trace("a", trace_id(7))
    objects.put(block.path, good)
    querier.duck.close()
    index.close()


def test_all_else_is_out_of_reach(duck: DuckDB, objects: S3Objects, tmp_path: Path, cloud: Cloud) -> None:
    bucket = objects.location.bucket
    sibling = S3Objects(S3Location(bucket, "lake-more"))
    filled(sibling)
    (tmp_path / "local.parquet").write_bytes(objects.get(PATH))
    for elsewhere in (
        sibling.uri(PATH),
        f"s3://{bucket}/other.parquet",
        "s3://another/lake/x.parquet",
        f"{cloud.s3}/{bucket}/lake/x.parquet",
        str(tmp_path / "local.parquet"),
    ):
        with pytest.raises(Exception, match="disabled by configuration"):
            count(duck, elsewhere)


def test_an_object_that_is_gone_is_retryable(duck: DuckDB, objects: S3Objects) -> None:
    with pytest.raises(StorageUnavailable, match="HTTP 404"):
        count(duck, objects.uri("spans/gone.parquet"))


def test_secrets_stay_secret(cloud: Cloud, objects: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
    for duck in opened(S3Objects(objects.location)):
        with pytest.raises(StorageUnavailable, match="HTTP 403") as raised:
            count(duck, objects.uri(PATH))
        assert "not-the-one" not in str(raised.value) + str(raised.value.__cause__)
        told = duck.execute("SELECT secret_string FROM duckdb_secrets()", duck.session().check).to_pylist()
        assert "not-the-one" not in str(told)


def test_credentials_that_expire_are_renewed(
    cloud: Cloud, objects: S3Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """botocore asks a program for credentials, which are wrong at first and expire at once."""
    answers = tmp_path / "answers"
    program = tmp_path / "credentials.py"
    program.write_text(PROGRAM)
    config = tmp_path / "config"
    config.write_text(f"[default]\ncredential_process = {sys.executable} {program} {answers}\n")
    right = {"AccessKeyId": os.environ["AWS_ACCESS_KEY_ID"], "SecretAccessKey": os.environ["AWS_SECRET_ACCESS_KEY"]}
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")

    answers.write_text(json.dumps({**right, "SecretAccessKey": "old"}))
    for duck in opened(S3Objects(objects.location)):
        with pytest.raises(StorageUnavailable, match="HTTP 403"):
            count(duck, objects.uri(PATH))
        answers.write_text(json.dumps(right))
        assert count(duck, objects.uri(PATH)) == SPANS


PROGRAM = """
import datetime, json, pathlib, sys
soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=30)
answer = json.loads(pathlib.Path(sys.argv[1]).read_text())
print(json.dumps({"Version": 1, "SessionToken": "", "Expiration": soon.isoformat(), **answer}))
"""


def test_without_credentials_it_says_so(cloud: Cloud, objects: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    for duck in opened(S3Objects(objects.location)):
        with pytest.raises(StoreError, match="no AWS credentials"):
            duck.session()


def test_without_httpfs_it_says_what_to_install(objects: S3Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb_extension_httpfs", None)
    with pytest.raises(StoreError, match=r"spanlake\[aws\]"):
        DuckDB([], remote=HttpfsCredentials(objects))
