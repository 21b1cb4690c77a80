"""The log of requests: its files with the records in them, and its segments.

A segment is the logged requests of a tenant, as they gather and as they become blocks.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from spanlake.ingest.request import Request
from spanlake.spans.otlp.precheck import NO_DAYS, AcceptedTimes, Checked, check
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


_WORTH_KEEPING = 64  # spans of a group; of fewer the bytes are decoded again, together with others
_MOST_DAYS = 64  # on which the spans of a segment started
_ANY_TIME = AcceptedTimes(0, 2**64 - 1)


@dataclass(frozen=True, slots=True)
class LogPolicy:
    """Rules that form segments from logged requests, each of which becomes a block for each tenant and day."""

    segment_seconds: float = 1.0  # longest time that requests are only in the log
    segment_bytes: int = 8 << 20
    segment_tenants: int = 128
    most_sealed_bytes: int = 16 << 20  # of requests that wait to become blocks, beyond which new ones wait
    most_sealed_tenants: int = 256


USUAL_LOG = LogPolicy()


@dataclass(slots=True, eq=False)
class Group:
    """Requests of a tenant in one segment, in order: parts that are kept decoded, and bodies of others."""

    tenant: str
    received_ns: int  # Unix time, from which on the requests came
    number: int = 0  # in the order in which groups were handed over
    size: int = 0
    digests: list[bytes] = field(default_factory=list)
    parts: list[Checked | list[bytes]] = field(default_factory=list)

    def add(self, requests: Sequence[Request], checked: Checked | None) -> None:
        self.digests += [request.digest for request in requests]
        self.size += sum(len(request.body) for request in requests)
        if checked is not None and sum(checked.spans_per_request) >= _WORTH_KEEPING:
            self.parts.append(checked)
            return
        if not self.parts or isinstance(self.parts[-1], Checked):
            self.parts.append([])
        self.parts[-1] += [request.body for request in requests]  # type: ignore[operator]

    def checked(self) -> Checked:
        """Return all requests, decoded as far as the check does it; raises ValueError."""
        return Checked.concat([part if isinstance(part, Checked) else decoded(part) for part in self.parts])


def decoded(bodies: Sequence[bytes]) -> Checked:
    """Decode logged requests as far as their check does it; raises ValueError."""
    checked = check(bodies, _ANY_TIME)
    if checked is None:
        raise ValueError("the log holds requests that were not to be logged")
    return checked


@dataclass(slots=True, eq=False)
class Pending:
    """The requests of one segment: those that gather by tenant, and groups that are to become blocks."""

    segment: Segment
    since: float  # monotonic seconds
    policy: LogPolicy
    gathering: dict[str, Group] = field(default_factory=dict)
    ready: list[Group] = field(default_factory=list)
    was_cut: set[str] = field(default_factory=set)  # tenants with groups before those that gather
    is_sealed: bool = False  # nothing is added any more, and the file goes when all groups are in blocks
    size: int = 0
    days: tuple[int, int] = NO_DAYS

    def add(self, tenant: str, requests: Sequence[Request], checked: Checked | None = None) -> None:
        if tenant not in self.gathering:
            self.begin(tenant, self.segment.created_ns)
        self.gathering[tenant].add(requests, checked)
        self.size += sum(len(request.body) for request in requests)
        if checked is not None:
            self.days = _spanning(self.days, checked.days)

    def begin(self, tenant: str, received_ns: int) -> None:
        self.gathering[tenant] = Group(tenant, received_ns)

    def has_room_for(self, tenant: str, checked: Checked) -> bool:
        """True where the spans are of few tenants and on few days with these: each of them makes a file."""
        if len(self.gathering) >= self.policy.segment_tenants and tenant not in self.gathering:
            return False
        first, last = _spanning(self.days, checked.days)
        return last - first < _MOST_DAYS

    def due(self) -> float:
        return self.since + self.policy.segment_seconds


def _spanning(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    if NO_DAYS in (one, other):
        return other if one == NO_DAYS else one
    return min(one[0], other[0]), max(one[1], other[1])


def requests_of(group: Group, segment: Segment) -> list[Request]:
    """Return the requests of a group as the log has them; raises StorageUnavailable."""
    digests = frozenset(group.digests)
    found = map(from_record, segment.records())
    return [request for tenant, request in found if tenant == group.tenant and request.digest in digests]
