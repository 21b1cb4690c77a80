"""Objects in an S3 bucket, read by ranges."""

import io
import re
from base64 import b64decode
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pyarrow as pa
from botocore.exceptions import BotoCoreError, ClientError

from spanlake.store import aws_client
from spanlake.store.blocks.schema import FOOTER, stated_format
from spanlake.store.deadline import REQUEST_SECONDS, bounded, limited
from spanlake.store.errors import ObjectNotFound, StorageUnavailable, StoreError
from spanlake.store.objects.base import ObjectDigest, ObjectInfo, is_segment, validate_path

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


_TAIL = 64 << 10  # bytes: a Parquet file is read from its end, and few footers are longer
_AHEAD = 1 << 20  # bytes of one request at least; a request costs as much time as a megabyte
_FORMAT = "spanlake-format"
_TOTAL = re.compile(r"bytes \d+-\d+/(\d+)")

Reported = Callable[[], AbstractContextManager[None]]


class RangedFile(io.RawIOBase):
    """A seekable file that holds the object's end and the part that was read last."""

    def __init__(self, fetch: "Fetch", size: int, tail: bytes) -> None:
        self._fetch = fetch
        self._size = size
        self._at = 0
        self._tail_start = size - len(tail)
        self._tail = tail
        self._part_start = 0
        self._part = b""

    @classmethod
    def open(cls, client: "S3Client", bucket: str, key: str, reported: Reported) -> "RangedFile":
        """Open an object at the price of one request; raises ClientError."""
        try:
            answer = client.get_object(Bucket=bucket, Key=key, Range=f"bytes=-{_TAIL}")
        except ClientError as error:
            if aws_client.code(error) != "InvalidRange":
                raise
            return cls(Fetch(client, bucket, key, "", reported), 0, b"")  # an empty object has no end to ask for
        tail = answer["Body"].read()
        total = _TOTAL.fullmatch(answer.get("ContentRange", ""))
        size = int(total[1]) if total else len(tail)
        return cls(Fetch(client, bucket, key, answer["ETag"], reported), size, tail)

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to another place, before or past the end as files let one."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the object goes."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, fewer at the end."""
        left = max(self._size - self._at, 0)
        count = left if size is None or size < 0 else min(size, left)
        data = self._slice(self._at, self._at + count)
        self._at += count
        return data

    def _slice(self, start: int, end: int) -> bytes:
        if start >= end:
            return b""
        if start >= self._tail_start:
            return self._tail[start - self._tail_start : end - self._tail_start]
        if not self._part_start <= start <= end <= self._part_start + len(self._part):
            self._part = self._fetch(start, min(max(end, start + _AHEAD), self._size))
            self._part_start = start
        return self._part[start - self._part_start : end - self._part_start]


class Fetch:
    """Reads ranges of one version of an object."""

    def __init__(self, client: "S3Client", bucket: str, key: str, etag: str, reported: Reported) -> None:
        self._client = client
        self._bucket = bucket
        self._key = key
        self._etag = etag
        self._reported = reported

    def __call__(self, start: int, end: int) -> bytes:
        """Return the bytes from one place up to another; raises StorageUnavailable and ObjectNotFound."""
        with self._reported():
            return bounded(f"read {self._key}", lambda: self._range(start, end))

    def _range(self, start: int, end: int) -> bytes:
        for _ in aws_client.attempts():
            answer = self._client.get_object(
                Bucket=self._bucket, Key=self._key, Range=f"bytes={start}-{end - 1}", IfMatch=self._etag
            )
            try:
                data = answer["Body"].read()
            except BotoCoreError:  # cut off on the way, which botocore does not try again
                continue
            if len(data) == end - start:
                return data
        raise StorageUnavailable(f"cannot read {self._key}: the answer was cut off each time")


_READ_SECONDS = 20.0
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_MISSING = {"NoSuchKey", "NotFound", "404"}
_UNKNOWN_REQUEST = {"NotImplemented", "MethodNotAllowed"}
_MOST_DELETED = 1000  # with one request
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


@dataclass(frozen=True, slots=True)
class S3Location:
    """A place in a bucket, below which all objects are."""

    bucket: str
    prefix: str = ""  # without slashes at its ends

    @classmethod
    def parse(cls, url: str) -> "S3Location":
        """Read ``s3://bucket`` or ``s3://bucket/prefix``. Raises StoreError."""
        scheme, _, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        prefix = prefix.strip("/")
        if scheme != "s3" or not _BUCKET.fullmatch(bucket):
            raise StoreError(f"{url!r} does not name a bucket: write s3://bucket or s3://bucket/prefix")
        if prefix:
            validate_path(prefix)
        return cls(bucket, prefix)

    @property
    def base(self) -> str:
        """The beginning of every key: nothing, or the prefix and a slash."""
        return f"{self.prefix}/" if self.prefix else ""

    @property
    def url(self) -> str:
        """The URL of the place for DuckDB, with a slash at the end."""
        return f"s3://{self.bucket}/{self.base}"


class S3Objects:
    """Objects below a prefix of a bucket that exists; any number of processes may share it.

    Requests that fail in passing are repeated for at most a minute, or as long as their caller's time limit lasts.
    """

    def __init__(self, location: S3Location, session: aws_client.Session | None = None) -> None:
        self.location = location
        self.session = session or aws_client.Session()

    @cached_property
    def client(self) -> "S3Client":
        """The client, made when it is first needed."""
        with aws_client.reported(f"use {self.location.url}"):
            usual: S3Client = self.session.client("s3", aws_client.config(_READ_SECONDS))
            if not self._belongs_in_path(usual.meta.endpoint_url):
                return usual
            in_path: S3Client = self.session.client(
                "s3", aws_client.config(_READ_SECONDS, s3={"addressing_style": "path"})
            )
            return in_path

    @property
    def has_bucket_in_path(self) -> bool:
        """True where the bucket stands in the path of URLs, and not before the host's name."""
        return self._belongs_in_path(self.client.meta.endpoint_url)

    def check(self) -> None:
        """Raise StoreError when the bucket is not there or may not be listed."""
        with self._reported("list objects"), limited(REQUEST_SECONDS):
            self.client.list_objects_v2(Bucket=self.location.bucket, Prefix=self.location.base, MaxKeys=1)

    def put(self, path: str, data: bytes | pa.Buffer) -> None:
        """Store an object, whole and durable when this returns; S3 compares its checksum with what it received."""
        key = self._key(path)
        body: Any = data if isinstance(data, bytes) else pa.BufferReader(data)
        with self._reported(f"store {path}"):
            self.client.put_object(
                Bucket=self.location.bucket, Key=key, Body=body, ChecksumAlgorithm="CRC32", Metadata=_metadata(data)
            )

    def get(self, path: str) -> bytes:
        """Read a whole object; raises ObjectNotFound."""
        key = self._key(path)
        with self._reported(f"read {path}"):
            return bounded(f"read {path}", lambda: self._content(key))

    def _content(self, key: str) -> bytes:
        for _ in aws_client.attempts():
            answer = self.client.get_object(Bucket=self.location.bucket, Key=key)
            try:
                return answer["Body"].read()
            except BotoCoreError:  # cut off on the way, which botocore does not try again
                continue
        raise StorageUnavailable(f"cannot read {key}: the answer was cut off each time")

    def digest(self, path: str) -> ObjectDigest:
        """Return the size and checksum that S3 has of an object, which is not read; raises ObjectNotFound."""
        key = self._key(path)
        with self._reported(f"read {path}"):
            found = self.client.head_object(Bucket=self.location.bucket, Key=key, ChecksumMode="ENABLED")
        whole = found.get("ChecksumType", "FULL_OBJECT") == "FULL_OBJECT"  # and not of the checksums of its parts
        text = found.get("ChecksumCRC32") if whole else None
        said = found.get("Metadata", {}).get(_FORMAT, "")
        checksum = int.from_bytes(b64decode(text)) if text else None
        return ObjectDigest(found["ContentLength"], checksum, int(said) if said.isdecimal() else None)

    def open(self, path: str) -> pa.NativeFile:
        """Open an object for reading in parts; raises ObjectNotFound."""
        key = self._key(path)
        with self._reported(f"read {path}"):
            reported = partial(self._reported, f"read {path}")
            file = bounded(f"read {path}", lambda: RangedFile.open(self.client, self.location.bucket, key, reported))
            return pa.PythonFile(file, mode="r")

    def delete(self, path: str) -> None:
        """Remove an object if it is there."""
        key = self._key(path)
        with self._reported(f"delete {path}"):
            self.client.delete_object(Bucket=self.location.bucket, Key=key)

    def delete_all(self, paths: Sequence[str]) -> None:
        """Remove the objects that are there, a thousand with a request, or one where the server knows no other way."""
        for first in range(0, len(paths), _MOST_DELETED):
            some = paths[first : first + _MOST_DELETED]
            if not self._delete_together([self._key(path) for path in some]):
                for path in some:
                    self.delete(path)

    def _delete_together(self, keys: Sequence[str]) -> bool:
        """Remove objects with one request; False where the server does not know such requests."""
        wanted: Any = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        with self._reported(f"delete {len(keys)} objects"):
            try:
                answer = self.client.delete_objects(Bucket=self.location.bucket, Delete=wanted)
            except ClientError as error:
                if aws_client.code(error) in _UNKNOWN_REQUEST:
                    return False
                raise
        if failed := answer.get("Errors"):
            why = failed[0].get("Message") or failed[0].get("Code")
            raise StorageUnavailable(f"cannot delete {len(failed)} of {len(keys)} objects in {self.name}: {why}")
        return True

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Name the objects whose path begins with this text, in the order of their paths."""
        base = self.location.base
        with self._reported(f"list {prefix!r}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.location.bucket, Prefix=base + prefix
            )
            for page in pages:
                for found in page.get("Contents", ()):
                    path = found["Key"].removeprefix(base)
                    if all(map(is_segment, path.split("/"))):  # others are not ours
                        yield ObjectInfo(path, found["Size"], found["LastModified"])

    def service_time(self) -> int | None:
        """Return the time of S3's clock in seconds since 1970; None where its answers do not tell it."""
        with self._reported("list objects"):
            answer = self.client.list_objects_v2(Bucket=self.location.bucket, Prefix=self.location.base, MaxKeys=1)
        return aws_client.service_time(answer)

    @property
    def name(self) -> str:
        """The URL of bucket and prefix."""
        return self.location.url

    def uri(self, path: str) -> str:
        """Return the object's URL, as DuckDB's httpfs reads it."""
        return f"{self.location.url}{validate_path(path)}"

    def _key(self, path: str) -> str:
        return self.location.base + validate_path(path)

    def _belongs_in_path(self, endpoint: str) -> bool:
        """Other servers seldom answer to host names made of buckets; for those with a dot TLS has no certificate."""
        return not (urlsplit(endpoint).hostname or "").endswith(_AMAZON) or "." in self.location.bucket

    @contextmanager
    def _reported(self, what: str) -> Iterator[None]:
        with aws_client.reported(f"{what} in s3://{self.location.bucket}"):
            try:
                yield
            except ClientError as error:
                if aws_client.code(error) in _MISSING:
                    raise ObjectNotFound(f"there is no object {what.partition(' ')[2]}") from error
                if aws_client.code(error) == "NoSuchBucket":
                    raise StoreError(f"there is no bucket {self.location.bucket}") from error
                raise


def _metadata(data: bytes | pa.Buffer) -> dict[str, str]:
    """Return the metadata of an object in answers to HeadObject: of a block its format."""
    end = data if isinstance(data, bytes) else data.slice(max(0, data.size - FOOTER)).to_pybytes()
    format_ = stated_format(end)
    return {} if format_ is None else {_FORMAT: str(format_)}
