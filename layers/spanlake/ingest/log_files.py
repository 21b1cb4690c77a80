"""The files of the log of requests, and the records in them."""

import os
from dataclasses import dataclass
from pathlib import Path

from spanlake.ingest.request import Request
from spanlake.store.disk import Reserve, make_directories
from spanlake.store.errors import StorageUnavailable
from spanlake.store.write_ahead_log import Segment, WriteAheadLog

_RESERVE_BYTES = 8 << 20  # of disk, so that logged requests become blocks on a full disk: blocks are smaller
_DIGEST_BYTES = 32
BEGINNING = bytes(_DIGEST_BYTES)
"""In the place of a digest: the tenant's requests before this record became blocks without those that follow it.

The next process so makes the same blocks of the log. Former versions take the record for a request without spans.
"""
_TIME_FIELD = b"\x79"  # of a message without any: number 15, of 64 bits


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files of a log in a data directory."""

    log: WriteAheadLog
    reserve: Reserve
    refused: Path
    """Folder of acknowledged requests that could not be decoded, which would be a fault of this program."""

    @classmethod
    def of(cls, data: Path) -> "LogFiles":
        """Return the files in a data directory."""
        folder = data / "log"
        return cls(WriteAheadLog(folder), Reserve(folder / ".reserve", _RESERVE_BYTES), folder / "refused")

    def create(self) -> Segment:
        """Begin a file of the log, with disk held back for its blocks; raises StorageUnavailable."""
        segment = self.log.create()
        self.reserve.fill()
        if self.reserve.is_whole():
            return segment
        segment.remove()
        raise StorageUnavailable("the disk has no room to hold back for blocks of logged requests")

    def keep(self, tenant: str, request: Request) -> Path:
        """Write a request to a file; raises StorageUnavailable."""
        path = self.refused / f"{tenant}-{request.digest.hex()}.otlp"
        try:
            make_directories(self.refused)
            with path.open("wb") as file:
                file.write(request.body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageUnavailable(f"cannot write {path}: {error.strerror}") from error
        return path


def beginning(received_ns: int) -> Request:
    """Return the record of a time after which the following requests of a tenant came."""
    return Request(_TIME_FIELD + received_ns.to_bytes(8, "little"), BEGINNING)


def received_ns_of(beginning: Request) -> int:
    """Return the time of such a record."""
    return int.from_bytes(beginning.body[1:], "little")


def to_record(tenant: str, request: Request) -> bytes:
    """Write a tenant's request as a record."""
    name = tenant.encode()
    return b"".join((len(name).to_bytes(2, "little"), name, request.digest, request.body))


def from_record(record: bytes) -> tuple[str, Request]:
    """Read a tenant's request."""
    start = 2 + int.from_bytes(record[:2], "little")
    body = start + _DIGEST_BYTES
    return record[2:start].decode(), Request(record[body:], record[start:body])
