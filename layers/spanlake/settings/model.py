"""Settings of an operator: values, units, and the reasons for which a value is refused."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from spanlake.settings.units import MIB, InvalidSetting

_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?", re.ASCII)
_USUAL_PORTS = {"http": ":80", "https": ":443"}


class Origins(tuple[str, ...]):
    """Origins of web pages, each as browsers write it; ``*`` is any."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Bounds of what the receivers take on at once. Sizes are bytes, times seconds."""

    body_bytes: int = 64 * MIB  # one request, as sent and after decompression
    flight_bytes: int = 128 * MIB  # all requests that are being read, wait or are being committed
    flight_requests: int = 4096
    body_seconds: float = 60.0  # a client that takes longer to send one body is given up
    linger_seconds: float = 0.01  # how long a group waits for those whose senders were just answered
    group_bytes: int = 16 * MIB  # requests of one group, unless a single one is larger
    group_requests: int = 1024
    remembered_requests: int = 16384  # whose identical retry is answered without writing it again
    remembered_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Raises InvalidSetting when no request of the largest size could ever be taken."""
        if self.flight_bytes < self.body_bytes:
            raise InvalidSetting(
                f"{self.flight_bytes} bytes in flight are too few for requests of {self.body_bytes} bytes"
            )


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of what queries may use, and of their size."""

    seconds: float = 30.0  # wall time of one request
    memory_bytes: int = 1024 * MIB  # of all queries together
    spans: int = 1_000_000_000  # in the blocks that one query has to read; 0 for any number
    series: int = 20_000  # of one metrics query
    points: int = 1_000_000  # of all series of one metrics query together
    spansets: int = 100  # and pipeline stages in the text of one query
    terms: int = 10_000  # fields and operators in the text of one query


@dataclass(frozen=True, slots=True)
class AthenaSettings:
    """Settings of Athena, which is not used where they are empty."""

    table: str = ""  # database.table in the Glue catalog: what Athena has of the blocks
    workgroup: str = ""  # where queries run that are too much for this process
    above_bytes: int = 4096 * MIB  # that is, those of a range whose blocks have more bytes together


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one server process."""

    data: Path = Path("data")
    listen: str = "127.0.0.1"
    retention: timedelta | None = None  # None keeps spans of any age
    retention_bytes: int | None = 50 * 10**9  # None sets no limit of size
    port_offset: int = 0  # added to every port
    drain_seconds: float = 30.0  # how long accepted requests may take once the process is asked to stop
    ingest: IngestLimits = field(default_factory=IngestLimits)
    query: QueryLimits = field(default_factory=QueryLimits)
    athena: AthenaSettings = field(default_factory=AthenaSettings)
    objects: str = ""  # URL of the blocks, s3://bucket/prefix; none keeps them in ``data``
    index: str = ""  # URL of the index, dynamodb://table; none keeps it in ``data``
    compaction: bool = True  # whether small blocks are merged in the background
    cors_origins: Origins = field(default_factory=Origins)  # of pages that may send spans; "*" is any
    garbage_share: float = 0.05  # of a day's objects, how many may lack an index entry and be deleted as garbage
    partial_answers: bool = False  # whether answers may lack live blocks whose objects are gone
    keep_replaced: timedelta | None = None  # how long objects of replaced blocks stay; None: see replaced_seconds
    jaeger_sampling: float = 1.0  # share of traces, which Jaeger's clients are told to sample


def replaced_seconds(config: Config) -> int:
    """Returns the seconds that objects of replaced blocks stay, longer than any query runs.

    Unless told otherwise that is ten minutes; with a DynamoDB table a day, so that a table that is restored to an
    earlier moment still finds its objects.
    """
    usual = timedelta(days=1) if config.index else timedelta(minutes=10)
    kept = usual if config.keep_replaced is None else config.keep_replaced
    return max(kept // timedelta(seconds=1), 2 * int(config.query.seconds))


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """The settings of an edge: those of each of its workers, and how many there are. Times are seconds."""

    worker: Config = field(default_factory=Config)
    workers: int = 1
    health_port: int = 8080  # before the offset
    unready_seconds: float = 10.0  # of the drain time: requests are still taken, but probes hear that this will end

    def __post_init__(self) -> None:
        """Raises InvalidSetting when there is no time left to finish anything."""
        if self.unready_seconds >= self.worker.drain_seconds:
            raise InvalidSetting(
                f"{self.unready_seconds:g} seconds of being unready leave nothing of {self.worker.drain_seconds:g} "
                "seconds to drain"
            )


def parse_origins(text: str) -> Origins:
    """Read origins such as ``https://shop.example,http://localhost:8080``, or ``*`` for any. Raises InvalidSetting."""
    return Origins(_origin(part.strip()) for part in text.split(",") if part.strip())


def _origin(text: str) -> str:
    """An origin as browsers write it: in lower case, without a path and without its scheme's usual port."""
    origin = text.lower().removesuffix("/")
    if origin == "*":
        return origin
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        raise InvalidSetting(f"{text[:80]!r} is not an origin: write a scheme and a host, as in https://shop.example")
    return origin.removesuffix(_USUAL_PORTS.get(match[1], " "))
