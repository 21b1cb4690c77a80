"""The settings, each declared once: a dataclass for each area, and one for each program that has all of its areas.

A field that is no setting is a constant of its area. The command line, the functions' variables and docs/settings.md
are made from these fields.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from spanlake.settings import kinds
from spanlake.settings.access import AccessSettings
from spanlake.settings.kinds import ORIGINS, Origins
from spanlake.settings.page_links import PAGE_LINKS, PageLinks
from spanlake.settings.setting import OfMemory, Program, setting
from spanlake.settings.units import MIB, InvalidSetting

_SERVE, _EDGE, _COMMANDS, _FUNCTIONS = Program.SERVE, Program.EDGE, Program.COMMANDS, Program.FUNCTIONS
_INGEST, _QUERY, _COMPACT, _EXPIRE = Program.INGEST, Program.QUERY, Program.COMPACT, Program.EXPIRE

_RUNTIME_MIB = 512  # what a function takes beside queries; with 20,000 blocks in its index 490


def _query_memory(memory_mib: int) -> int:
    return max(memory_mib - _RUNTIME_MIB, memory_mib // 4) * MIB


@dataclass(frozen=True, slots=True)
class IngestLimits:
    """Bounds of what the receivers take on at once. Sizes are bytes, times seconds."""

    body_bytes: int = setting(
        "max-request-bytes",
        kinds.LIMIT,
        "64MiB",
        "Size limit of a request, decompressed.",
        on=_SERVE | _EDGE | _INGEST,
        elsewhere={_FUNCTIONS: OfMemory("a sixteenth of the memory", lambda mib: mib * MIB // 16)},
        parameter="MaxRequestBytes",
    )
    flight_bytes: int = setting(
        "max-in-flight-bytes",
        kinds.LIMIT,
        "128MiB",
        "Limit on requests in memory; more must retry.",
        on=_SERVE | _EDGE,
        details="All requests that are being read, wait or are being committed.",
        elsewhere={_FUNCTIONS: "1PiB"},  # which have one request at a time
    )
    udp_buffer_bytes: int = setting(
        "udp-buffer-bytes",
        kinds.LIMIT,
        "32MiB",
        "Kernel buffer for datagrams that wait to be read, of each UDP port.",
        on=_SERVE | _EDGE,
        details="The kernel gives at most `net.core.rmem_max`, unless the process has CAP_NET_ADMIN.",
    )
    flight_requests: int = 4096
    body_seconds: float = 60.0  # a client that takes longer to send one body is given up
    linger_seconds: float = setting(
        "linger-ms",
        kinds.MILLISECONDS,
        "10",
        "Time that concurrent requests wait to share a block, in milliseconds.",
        on=_SERVE | _EDGE,
    )
    group_bytes: int = 16 * MIB  # requests of one group, unless a single one is larger
    group_requests: int = 1024
    remembered_requests: int = 16384  # whose identical retry is answered without writing it again
    remembered_seconds: float = 600.0

    def __post_init__(self) -> None:
        """Raise InvalidSetting when no request of the largest size could ever be taken."""
        if self.flight_bytes < self.body_bytes:
            raise InvalidSetting(
                f"{self.flight_bytes} bytes in flight (--max-in-flight-bytes) are too few for requests of "
                f"{self.body_bytes} bytes (--max-request-bytes)"
            )


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of what queries may use, and of their size."""

    seconds: float = setting(
        "query-timeout",
        kinds.seconds(),
        "30",
        "Query timeout in seconds.",
        on=_SERVE | _QUERY | _COMPACT | _EXPIRE,
        details="The functions that delete objects wait twice as long before they do.",
        elsewhere={_FUNCTIONS: "25"},  # API Gateway gives up after 30, and an answer has to be rendered and sent
        parameter="QueryTimeoutSeconds",
    )
    memory_bytes: int = setting(
        "query-memory",
        kinds.LIMIT,
        "1GiB",
        "Memory of all queries together.",
        on=_SERVE | _QUERY,
        elsewhere={_FUNCTIONS: OfMemory(f"the memory less {_RUNTIME_MIB} MiB, at least a quarter", _query_memory)},
        parameter="QueryMemoryLimit",
    )
    spans: int = setting(
        "query-spans",
        kinds.count(least=0),
        "1000000000",
        "Spans in the blocks that one query reads; 0 for any number.",
        on=_SERVE | _QUERY,
        parameter="QuerySpansLimit",
    )
    series: int = setting(
        "query-series",
        kinds.count(),
        "20000",
        "Series of one metrics query.",
        on=_SERVE | _QUERY,
        parameter="QuerySeriesLimit",
    )
    points: int = setting(
        "query-points",
        kinds.count(),
        "1000000",
        "Points of all series of one metrics query together.",
        on=_SERVE | _QUERY,
        parameter="QueryPointsLimit",
    )
    spansets: int = setting(
        "query-spansets",
        kinds.count(),
        "100",
        "Spansets and pipeline stages in one query's text.",
        on=_SERVE | _QUERY,
        parameter="QuerySpansetsLimit",
    )
    terms: int = setting(
        "query-terms",
        kinds.count(),
        "10000",
        "Fields and operators in one query's text.",
        on=_SERVE | _QUERY,
        parameter="QueryTermsLimit",
    )


@dataclass(frozen=True, slots=True)
class AthenaSettings:
    """Settings of Athena, which is not used where they are empty."""

    table: str = setting(
        "glue-table", kinds.TABLE, "", "Table of the blocks in the Glue catalog.", on=_QUERY | _COMPACT | _EXPIRE
    )
    workgroup: str = setting(
        "athena-workgroup", kinds.TEXT, "", "Workgroup for queries of many blocks; empty for none.", on=_QUERY
    )
    above_bytes: int = setting(
        "athena-above",
        kinds.LIMIT,
        "4GiB",
        "Size of a range's blocks above which queries run in Athena.",
        on=_QUERY,
        parameter="AthenaAbove",
    )


@dataclass(frozen=True, slots=True)
class FunctionSettings:
    """Settings of functions alone."""

    trust_tenant_header: bool = setting(
        "trust-tenant-header",
        kinds.TRUTH,
        "false",
        "Serve requests without an authorizer's claims, for the tenant that they name.",
        on=_INGEST | _QUERY,
        details="For a function behind a proxy that sets the header; without it such requests are answered with 403.",
    )
    base_path: str = setting(
        "base-path",
        kinds.PATH,
        "",
        "Path below which functions are reached, as in /spanlake; empty for none.",
        on=_INGEST | _QUERY,
        details="A base path of a custom domain or of a load balancer. The name of a stage is taken off by itself.",
        parameter="BasePath",
    )
    compact_function: str = setting(
        "compact-function",
        kinds.TEXT,
        "",
        "Function that merges large amounts, by name and alias; empty to merge in place.",
        on=_COMPACT | _EXPIRE,
    )


@dataclass(frozen=True, slots=True)
class LogSettings:
    """Settings of the logs of a process."""

    level: str = setting(
        "log-level",
        kinds.choice("debug", "info", "warning", "error"),
        "info",
        "Least severe records that are logged.",
        on=_SERVE | _EDGE,
    )
    format: str = setting(
        "log-format",
        kinds.choice("auto", "text", "json"),
        "auto",
        "Format of the logs; auto is text on a terminal and JSON elsewhere.",
        on=_SERVE | _EDGE,
    )
    slow_query_seconds: float = setting(
        "slow-query",
        kinds.seconds(0),
        "5",
        "Time from which a query is logged with its text, in seconds; 0 logs all.",
        on=_SERVE,
    )


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Settings of commands that ask a server."""

    url: str = setting("url", kinds.URL, "http://127.0.0.1:3200", "Server of the Tempo API.", on=_COMMANDS)
    tenant: str = setting("tenant", kinds.TEXT, "", "Tenant, sent as X-Scope-OrgID.", on=_COMMANDS, has_variable=False)
    timeout_seconds: float = setting(
        "timeout", kinds.seconds(0.001), "60", "Time limit for the answer.", on=_COMMANDS, has_variable=False
    )


@dataclass(frozen=True, slots=True)
class Config:
    """The settings of one server process."""

    data: Path = setting(
        "data",
        kinds.DIRECTORY,
        "data",
        "Directory that holds blocks and index.",
        on=_SERVE | _EDGE | _COMMANDS,
        details="Blocks in S3 and an index in DynamoDB are not in it.",
    )
    objects: str = setting(
        "objects",
        kinds.URL,
        "",
        "URL of blocks, s3://bucket/prefix; default DIR.",
        on=_SERVE | _EDGE | _COMMANDS | _FUNCTIONS,
        details="Copies of up to 320 MiB of blocks in S3 lie in the temporary directory while spanlake runs.",
        required=_FUNCTIONS,
    )
    index: str = setting(
        "index",
        kinds.URL,
        "",
        "URL of index, dynamodb://table; default DIR.",
        on=_SERVE | _EDGE | _COMMANDS | _FUNCTIONS,
        details="`?create=true` makes the table.",
        required=_FUNCTIONS,
    )
    listen: str = setting(
        "listen",
        kinds.ADDRESS,
        "127.0.0.1",
        "Address to listen on.",
        on=_SERVE | _EDGE,
        details="Another than a loopback address needs `--tokens`, `--jwt-issuer` or `--allow-anonymous`.",
    )
    port_offset: int = setting(
        "port-offset",
        kinds.OFFSET,
        "0",
        "Added to every port.",
        on=_SERVE | _EDGE,
        details="Several processes can so run side by side.",
    )
    moved_ports: tuple[tuple[str, int], ...] = setting(
        "port",
        kinds.PORTS,
        "",
        "Ports that are moved, as in otlp-grpc=5317,zipkin=9999.",
        on=_SERVE,
        details="Names are tempo, otlp-grpc, otlp-http, zipkin, jaeger-grpc, jaeger-http, jaeger-compact, "
        "jaeger-binary, jaeger-sampling, opencensus, and tempo-3100, which is off unless it is named. The offset is "
        "not added.",
    )
    closed_ports: tuple[str, ...] = setting(
        "without",
        kinds.NAMES,
        "",
        "Ports that stay closed, as in zipkin,jaeger.",
        on=_SERVE,
        details="A name's first part is all of its protocol: jaeger, otlp.",
    )
    retention: timedelta | None = setting(
        "retention",
        kinds.AGE,
        "0",
        "Retention of spans, as in 14d or 36h; 0 keeps any age.",
        on=_SERVE | _EDGE | _COMMANDS | _FUNCTIONS,
        details="Older spans are refused.",
        elsewhere={_FUNCTIONS: "14d"},
        parameter="RetentionDays",
    )
    retention_bytes: int | None = setting(
        "retention-bytes",
        kinds.SIZE,
        "50GB",
        "Size of all blocks, as in 50GB; 0 keeps any size.",
        on=_SERVE,
        details="The oldest days are removed first. Blocks in S3 have no limit of size.",
    )
    compaction: bool = setting("compaction", kinds.TRUTH, "true", "Merge small blocks in the background.", on=_SERVE)
    garbage_share: float = setting(
        "garbage-share",
        kinds.SHARE,
        "0.05",
        "Share of a day's objects that may lack an index entry and be deleted.",
        on=_SERVE | _EXPIRE,
        details="If more do, all stay.",
    )
    keep_replaced: timedelta | None = setting(
        "keep-replaced",
        kinds.AGE,
        "0",
        "Time that objects of replaced blocks stay; 0 for 10m, with a DynamoDB index 1d.",
        on=_SERVE | _COMPACT | _EXPIRE,
        details="In any case twice the query timeout.",
    )
    partial_answers: bool = setting(
        "partial-answers",
        kinds.TRUTH,
        "false",
        "Answer without blocks whose files are gone, and say so in a header, instead of with 503.",
        on=_SERVE | _QUERY,
        details="The header is `X-Spanlake-Partial`. Metrics over too many blocks go without the oldest.",
    )
    drain_seconds: float = setting(
        "drain-seconds",
        kinds.seconds(1),
        "30",
        "Longest time from SIGTERM to the end, in seconds.",
        on=_SERVE | _EDGE,
        elsewhere={_EDGE: "25"},
    )
    cors_origins: Origins = setting(
        "cors-origins",
        ORIGINS,
        "",
        "Origins of pages that may send spans, separated by commas, or * for any; none unless set.",
        on=_SERVE | _INGEST,
        details="As in `https://shop.example,http://localhost:8080`; `*` is any, without credentials. The deployment's "
        "API answers browsers itself and sets its own (`CorsOrigins`).",
    )
    page_links: PageLinks = setting(
        "page-links",
        PAGE_LINKS,
        "",
        "Links of the web page at attributes and traces, as Jaeger's linkPatterns: a file, or the JSON itself.",
        on=_SERVE | _QUERY,
        details="See docs/web-page.md.",
    )
    jaeger_sampling: float = setting(
        "jaeger-sampling",
        kinds.PROBABILITY,
        "1",
        "Share of traces that Jaeger's clients are told to sample.",
        on=_SERVE,
    )
    access: AccessSettings = field(default_factory=AccessSettings)
    ingest: IngestLimits = field(default_factory=IngestLimits)
    query: QueryLimits = field(default_factory=QueryLimits)
    athena: AthenaSettings = field(default_factory=AthenaSettings)
    logs: LogSettings = field(default_factory=LogSettings)


def replaced_seconds(config: Config) -> int:
    """Return the seconds that objects of replaced blocks stay, longer than any query runs.

    Unless told otherwise that is ten minutes; with a DynamoDB table a day, so that a table that is restored to an
    earlier moment still finds its objects.
    """
    usual = timedelta(days=1) if config.index else timedelta(minutes=10)
    kept = usual if config.keep_replaced is None else config.keep_replaced
    return max(kept // timedelta(seconds=1), 2 * int(config.query.seconds))


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """The settings of an edge: those that a server has too, and its own. Times are seconds."""

    server: Config = field(default_factory=Config)
    health_port: int = setting(
        "health-port", kinds.count(most=65535), "8080", "Port for /ready and /metrics, before the offset.", on=_EDGE
    )
    unready_seconds: float = setting(
        "unready-seconds",
        kinds.seconds(0),
        "10",
        "Time after SIGTERM in which requests are still taken while /ready says 503, in seconds.",
        on=_EDGE,
        details="Part of the time to drain.",
    )
    metrics_namespace: str = setting(
        "metrics-namespace",
        kinds.TEXT,
        "",
        "Namespace of CloudWatch for which counters are written to standard output; empty for none.",
        on=_EDGE,
        details="Once a minute, in the embedded metric format, from which CloudWatch Logs makes metrics.",
    )

    def __post_init__(self) -> None:
        """Raise InvalidSetting when there is no time left to finish anything."""
        if self.unready_seconds >= self.server.drain_seconds:
            raise InvalidSetting(
                f"{self.unready_seconds:g} seconds of being unready (--unready-seconds) leave nothing of "
                f"{self.server.drain_seconds:g} seconds to drain (--drain-seconds)"
            )
