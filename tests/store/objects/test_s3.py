"""Tests objects in S3 beyond the suite: their location, the cost of reading, and the service's errors."""

import io
import time

import pytest
from botocore.exceptions import ReadTimeoutError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spanlake.store import aws_client
from spanlake.store.blocks.parquet import encode
from spanlake.store.blocks.reader import block_schema
from spanlake.store.errors import ObjectNotFound, StorageUnavailable, StoreError
from spanlake.store.objects.s3 import RangedFile, S3Location, S3Objects
from tests.cloud import Cloud, Reply, answering, calls
from tests.patches import patch_here
from tests.store.tables import busy_table

MIB = 1 << 20
LONG = bytes(range(256)) * (5 * MIB // 256)


@pytest.fixture(scope="module")
def bucket(cloud: Cloud) -> str:
    return cloud.bucket()


@pytest.fixture
def objects(bucket: str, request: pytest.FixtureRequest) -> S3Objects:
    return S3Objects(S3Location(bucket, request.node.name.split("[")[0]))


@pytest.fixture(scope="module")
def long_object(bucket: str) -> S3Objects:
    objects = S3Objects(S3Location(bucket, "long"))
    objects.put("long", LONG)
    return objects


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    patch_here(monkeypatch, time, "sleep", lambda _: None)


@pytest.mark.parametrize(
    ("url", "bucket", "prefix"),
    [
        ("s3://lake", "lake", ""),
        ("s3://lake/", "lake", ""),
        ("s3://lake/some/prefix", "lake", "some/prefix"),
        ("s3://my.lake-1/prefix/", "my.lake-1", "prefix"),
    ],
)
def test_a_url_names_bucket_and_prefix(url: str, bucket: str, prefix: str) -> None:
    assert S3Location.parse(url) == S3Location(bucket, prefix)


@pytest.mark.parametrize(
    "url",
    ["", "lake", "s3://", "s3:///prefix", "s3://Lake", "s3://a_b", "gs://lake", "s3://lake/../x", "s3://lake/a b"],
)
def test_what_is_no_such_url_is_refused(url: str) -> None:
    with pytest.raises(StoreError):
        S3Location.parse(url)


def test_two_prefixes_of_a_bucket_are_kept_apart(bucket: str) -> None:
    one, other, whole = (S3Objects(S3Location(bucket, prefix)) for prefix in ("one", "one-more", ""))
    one.put("a", b"1")
    assert [info.path for info in one.list()] == ["a"]
    assert list(other.list()) == []
    assert whole.get("one/a") == b"1"
    assert one.uri("a/b") == f"s3://{bucket}/one/a/b"


def test_each_use_costs_one_request(objects: S3Objects) -> None:
    with calls(objects.client) as made:
        objects.put("a", b"content")
        objects.get("a")
        list(objects.list())
        objects.delete("a")
    assert made == ["PutObject", "GetObject", "ListObjectsV2", "DeleteObject"]


def test_a_thousand_objects_are_deleted_with_one_request(objects: S3Objects) -> None:
    objects.put("o/7", b"x")
    with calls(objects.client) as made:
        objects.delete_all([f"o/{number}" for number in range(1001)])
    assert made == ["DeleteObjects", "DeleteObjects"]
    assert list(objects.list()) == []


def test_objects_are_deleted_one_by_one_where_the_server_knows_no_other_way(objects: S3Objects) -> None:
    objects.put("a", b"x")
    objects.put("b", b"x")
    with answering(objects.client, "DeleteObjects", Reply.s3_refusal("MethodNotAllowed", 405)):
        objects.delete_all(["a", "b"])
    assert list(objects.list()) == []


def test_objects_that_cannot_be_deleted_are_an_error(objects: S3Objects) -> None:
    denied = Reply(200, b"<DeleteResult><Error><Key>a</Key><Code>AccessDenied</Code></Error></DeleteResult>")
    with answering(objects.client, "DeleteObjects", denied), pytest.raises(StoreError, match=r"1 of 2 .*AccessDenied"):
        objects.delete_all(["a", "b"])


def test_what_is_put_carries_its_checksum(objects: S3Objects) -> None:
    sent: list[str] = []
    objects.client.meta.events.register("before-send.s3.PutObject", lambda request, **_: sent.extend(request.headers))
    objects.put("a", b"content")
    assert "x-amz-checksum-crc32" in [name.lower() for name in sent]


def test_the_schema_of_a_block_costs_one_request(objects: S3Objects) -> None:
    objects.put("block", encode(busy_table(2_000)))
    with calls(objects.client) as made:
        assert "span_http_method" in block_schema(objects, "block").names
    assert made == ["GetObject"]


def test_reading_on_costs_a_request_for_each_mebibyte(long_object: S3Objects) -> None:
    with calls(long_object.client) as made, long_object.open("long") as file:
        while file.read(50_000):
            pass
    assert len(made) == pytest.approx(6, abs=1)


def test_an_empty_object_is_a_file_too(objects: S3Objects) -> None:
    objects.put("empty", b"")
    with objects.open("empty") as file:
        assert (file.size(), file.read()) == (0, b"")


moves = st.lists(st.tuples(st.integers(0, 2), st.integers(-6 * MIB, 6 * MIB), st.integers(-1, 2 * MIB)), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(moves)
def test_it_reads_as_any_file_does(long_object: S3Objects, moves: list[tuple[int, int, int]]) -> None:
    file = RangedFile.open(
        long_object.client, long_object.location.bucket, "long/long", lambda: aws_client.reported("read")
    )
    like = io.BytesIO(LONG)
    for whence, offset, size in moves:
        place = offset if whence else abs(offset)
        if whence and like.tell() + place < 0:
            continue
        file.seek(place, whence)
        like.seek(place, whence)
        assert file.tell() == like.tell()
        assert file.read(size) == like.read(size)


def test_an_object_that_is_put_anew_is_not_read_half_and_half(objects: S3Objects) -> None:
    objects.put("a", LONG)
    with objects.open("a") as file:
        assert file.read(10) == LONG[:10]
        objects.put("a", LONG[::-1])
        file.seek(3 * MIB)
        with pytest.raises(StoreError):
            file.read(10)


def test_a_listing_has_many_pages(objects: S3Objects) -> None:
    paths = [f"a/{number}" for number in range(7)]
    for path in paths:
        objects.put(path, b"")

    def small(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 2

    objects.client.meta.events.register("provide-client-params.s3.ListObjectsV2", small)
    with calls(objects.client) as made:
        assert [info.path for info in objects.list()] == paths
    assert len(made) == 4


def test_what_others_put_under_strange_names_is_not_listed(objects: S3Objects) -> None:
    for key in ("fine", ".hidden/x", "a b", "ümlaut"):
        objects.client.put_object(Bucket=objects.location.bucket, Key=f"{objects.location.prefix}/{key}", Body=b"")
    assert [info.path for info in objects.list()] == ["fine"]


def use(objects: S3Objects, operation: str) -> None:
    if operation == "GetObject":
        objects.get("a")
    else:
        objects.put("a", b"x")


@pytest.mark.usefixtures("no_pauses")
@pytest.mark.parametrize("operation", ["GetObject", "PutObject"])
@pytest.mark.parametrize(
    "reply",
    [
        Reply.s3_refusal("SlowDown", 503),
        Reply.s3_refusal("InternalError", 500),
        Reply.s3_refusal("RequestTimeout", 400),
        ReadTimeoutError(endpoint_url="there"),
    ],
    ids=str,
)
def test_what_passes_is_tried_again_and_otherwise_retryable(
    objects: S3Objects, operation: str, reply: Reply | Exception
) -> None:
    objects.put("a", b"x")
    with answering(objects.client, operation, reply, reply) as answered:
        use(objects, operation)
    assert len(answered) == 2
    with answering(objects.client, operation, *[reply] * 99), pytest.raises(StorageUnavailable):
        use(objects, operation)


@pytest.mark.usefixtures("no_pauses")
def test_an_answer_that_is_cut_off_is_asked_for_again(objects: S3Objects) -> None:
    objects.put("a", b"content")
    cut = Reply(200, b"con", {"content-length": "7"})
    with answering(objects.client, "GetObject", cut, cut):
        assert objects.get("a") == b"content"
    with answering(objects.client, "GetObject", *[cut] * 99), pytest.raises(StorageUnavailable, match="cut off"):
        objects.get("a")


@pytest.mark.parametrize(
    ("code", "status", "complaint"),
    [
        ("AccessDenied", 403, "cannot store a in s3://lake-.*access is denied, allow PutObject"),
        ("SignatureDoesNotMatch", 403, "the credentials are not accepted"),
        ("NoSuchBucket", 404, "there is no bucket lake-"),
        ("InvalidRequest", 400, "PutObject was refused"),
    ],
)
def test_what_does_not_pass_says_what_to_do(objects: S3Objects, code: str, status: int, complaint: str) -> None:
    reply = Reply.s3_refusal(code, status)
    with answering(objects.client, "PutObject", reply), pytest.raises(StoreError, match=complaint) as raised:
        objects.put("a", b"x")
    assert not isinstance(raised.value, StorageUnavailable | ObjectNotFound)


def test_a_bucket_that_is_not_there_is_said_to_be_missing(cloud: Cloud) -> None:
    with pytest.raises(StoreError, match="there is no bucket nowhere"):
        S3Objects(S3Location("nowhere")).check()


@pytest.mark.usefixtures("no_pauses")
def test_a_service_that_is_away_may_come_back(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match="EndpointConnectionError"):
        S3Objects(S3Location("lake")).put("a", b"x")


def test_wrong_credentials_are_named_but_not_shown(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-one")
    with pytest.raises(StoreError, match="the credentials are not accepted") as raised:
        S3Objects(S3Location("lake")).check()
    assert "not-the-one" not in str(raised.value)


def test_without_credentials_it_says_so(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(StoreError, match="credentials"):
        S3Objects(S3Location("lake")).check()
