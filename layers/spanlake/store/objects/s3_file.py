"""An object of S3 as a file: read by ranges, a little ahead, never whole."""

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from spanlake.store import aws_client
from spanlake.store.deadline import bounded
from spanlake.store.errors import StorageUnavailable

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_TAIL = 64 << 10  # bytes: a Parquet file is read from its end, and few footers are longer
_AHEAD = 1 << 20  # bytes of one request at least; a request costs as much time as a megabyte
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
        """The bytes from one place up to another; raises StorageUnavailable and ObjectNotFound."""
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
