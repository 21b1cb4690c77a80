"""Computes the monthly cost of spanlake and of Tempo from the figures of bench.measure.lambda and the templates."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from bench.cost import prices
from bench.cost.bill import Bill
from bench.cost.results import Measured, Merging, Requests
from spanlake.store.maintenance.compaction_plan import FAN_IN, FULL_SPANS

DAYS = 30
RETENTION_DAYS = 14
OBJECT_DAYS = 21  # the template's lifecycle rule for spans that are kept for 14

# Assumed, as one machine can not measure it: latencies of S3 and DynamoDB of AWS, and the lines that Lambda logs.
_PUT_SECONDS, GET_SECONDS, _DYNAMODB_SECONDS = 0.030, 0.020, 0.006
_LAMBDA_LOG_BYTES = 350  # START, END and REPORT
_ACCESS_LOG_BYTES = 420  # a line of the template's format
_MB_OF_A_CPU = 1769  # Lambda, memory and computing power
_API_BLOCK = 512 * 1024  # bytes of a request that are charged for as one
_AUTHORIZE_MIB, _AUTHORIZE_SECONDS, _TOKENS, _TOKEN_CACHE = 256, 0.010, 10, 300
_WINDOW_SECONDS = 300  # the stream's batching window
_LIVE_BLOCKS = 4 * FAN_IN  # of a day, at most: a tier has fewer than FAN_IN that wait
_STARTS_A_DAY, _START_SECONDS = 48, 0.5  # new processes, whose start is charged for
_INDEX_BYTES = 1000  # of a block's entry
_METRICS_WITH_SPANS = 6  # SpansReceived, BytesStored, CommitDuration; BlocksMerged; two of the daily run, an hour each
_EXPIRE_SECONDS = 3.0

# infra/edge/template.yaml: a task with half a CPU and 1 GB and a public address, behind an internal load balancer.
_EDGE_CPU, _EDGE_GB = 0.5, 1.0
_NLCU_BYTES_AN_HOUR = 1e9

# Tempo 3.1 as measured: 100 bytes a span stored, 21,000 spans a CPU-second, 3.8 GB at its peak.
_TEMPO_BYTES_A_SPAN, _TEMPO_DISK_GB = 100, 30
_TEMPO_PUTS_A_DAY = 48 * 8  # a block each half hour, and its compaction, of some eight objects each
_TEMPO_GETS_A_DAY = 288 * 20  # the list of blocks is read every five minutes, and compaction reads blocks


@dataclass(frozen=True)
class Load:
    """Spans a day, and spans in a request."""

    spans: float
    per_request: float

    @property
    def a_month(self) -> float:
        """Spans."""
        return self.spans * DAYS

    @property
    def requests(self) -> float:
        """A month."""
        return self.a_month / self.per_request


@dataclass(frozen=True)
class Model:
    """Between the sizes that were measured, what a request costs lies on the line between its neighbours."""

    measured: Measured

    def functions(self, load: Load) -> Bill:
        """Everything through the HTTP API."""
        return self.fixed(load) + self.taken_in(load) + self.kept(load) + self.compacted(load)

    def edge(self, load: Load) -> Bill:
        """Everything through the edge, beside which the functions stand for queries and compaction."""
        stored = Bill.of(
            (prices.S3_PUT, load.requests),
            (prices.DYNAMODB_WRITE, load.requests * self._of("write_units", load.per_request)),
        )
        bytes_an_hour = load.spans * self._of("body_bytes", load.per_request) / load.per_request / 24
        standing = Bill.of(
            (prices.FARGATE_CPU, _EDGE_CPU * prices.HOURS),
            (prices.FARGATE_MEMORY, _EDGE_GB * prices.HOURS),
            (prices.PUBLIC_IPV4, prices.HOURS),
            (prices.BALANCER, prices.HOURS),
            (prices.BALANCER_USE, bytes_an_hour / _NLCU_BYTES_AN_HOUR * prices.HOURS),
        )
        return self.fixed(load) + standing + stored + self.kept(load) + self.compacted(load)

    def fixed(self, load: Load) -> Bill:
        """Returns the costs that do not grow with the number of spans; some arise only when there are spans."""
        gigabytes = self.measured.memory_mib / 1024
        always = Bill.of(
            (prices.SECRET, 1),
            (prices.EVENT, DAYS),
            (prices.LAMBDA_REQUEST, DAYS),
            (prices.LAMBDA_TIME, DAYS * _EXPIRE_SECONDS * gigabytes),
        )
        return always + Bill.of((prices.METRIC, _METRICS_WITH_SPANS)) if load.spans else always

    def taken_in(self, load: Load) -> Bill:
        """Requests through API Gateway to the ingest function, and who asks whose they are."""
        size, requests = load.per_request, load.requests
        seconds = self._of("cpu_seconds", size) * _MB_OF_A_CPU / self.measured.memory_mib
        seconds += _PUT_SECONDS + _DYNAMODB_SECONDS
        asked = min(requests, _TOKENS * DAYS * 86400 / _TOKEN_CACHE)
        starts = DAYS * _STARTS_A_DAY if requests else 0
        logged = requests * (self._of("log_bytes", size) + _LAMBDA_LOG_BYTES + _ACCESS_LOG_BYTES)
        return Bill.of(
            (prices.API_REQUEST, requests * math.ceil(self._of("body_bytes", size) / _API_BLOCK)),
            (prices.LAMBDA_REQUEST, requests + asked),
            (prices.LAMBDA_TIME, (requests * seconds + starts * _START_SECONDS) * self.measured.memory_mib / 1024),
            (prices.LAMBDA_TIME, asked * _AUTHORIZE_SECONDS * _AUTHORIZE_MIB / 1024),
            (prices.SECRET_CALL, starts),
            (prices.S3_PUT, requests * self._of("s3_puts", size)),
            (prices.DYNAMODB_WRITE, requests * self._of("write_units", size)),
            (prices.DYNAMODB_READ, requests * self._of("read_units", size)),
            (prices.LOG_INGEST, logged / 1e9),
            (prices.LOG_STORAGE, logged / 1e9 * RETENTION_DAYS / DAYS),
        )

    def kept(self, load: Load) -> Bill:
        """Returns the cost of storage in the bucket and in the table."""
        gigabytes = load.spans * OBJECT_DAYS * self.measured.mergings[-1].bytes_a_span / 1e9
        entries = load.spans * RETENTION_DAYS / (FULL_SPANS / 2) * _INDEX_BYTES / 1e9
        return Bill.of(
            (prices.S3_STORAGE, gigabytes),
            (prices.DYNAMODB_STORAGE, entries),
            (prices.DYNAMODB_RECOVERY, entries),
        )

    def compacted(self, load: Load) -> Bill:
        """Merges, until blocks are full: each writes FAN_IN blocks again as one, so that each has fewer by FAN_IN."""
        fresh, large = self.measured.mergings[0], self.measured.mergings[-1]
        writes = max(1.0, math.log(FULL_SPANS / load.per_request) / math.log(FAN_IN))
        blocks = load.requests * FAN_IN / (FAN_IN - 1)
        a_span, a_block = _line(fresh, large)
        seconds = (blocks * a_block + load.a_month * writes * a_span) * _MB_OF_A_CPU / self.measured.memory_mib
        seconds += blocks * large.s3_gets * GET_SECONDS + blocks / FAN_IN * _PUT_SECONDS
        invoked = min(load.requests, DAYS * 86400 / _WINDOW_SECONDS)
        looked = invoked * _LIVE_BLOCKS * large.plan_read_units
        logged = invoked * (_LAMBDA_LOG_BYTES + 1000)
        return Bill.of(
            (prices.LAMBDA_REQUEST, invoked),
            (prices.LAMBDA_TIME, (seconds + invoked * 2 * _DYNAMODB_SECONDS) * self.measured.memory_mib / 1024),
            (prices.S3_GET, blocks * large.s3_gets),
            (prices.S3_PUT, blocks / FAN_IN),
            (prices.DYNAMODB_WRITE, blocks * large.write_units),
            (prices.DYNAMODB_READ, blocks * large.read_units + looked),
            (prices.LOG_INGEST, logged / 1e9),
        )

    def asked(self, queries: int) -> Bill:
        """So many queries of the kinds that were measured, as many of each."""
        found, each = self.measured.queries, queries / len(self.measured.queries)
        gigabytes = self.measured.memory_mib / 1024
        computing = sum(one.cpu_seconds for one in found) * _MB_OF_A_CPU / self.measured.memory_mib
        waiting = sum(one.s3_gets for one in found) * GET_SECONDS / 12  # so many blocks are copied at a time
        return Bill.of(
            (prices.API_REQUEST, queries),
            (prices.LAMBDA_REQUEST, queries),
            (prices.LAMBDA_TIME, each * (computing + waiting) * gigabytes),
            (prices.S3_GET, each * sum(one.s3_gets for one in found)),
        )

    def _of(self, name: str, spans: float) -> float:
        return _between(self.measured.requests, name, spans)


def tempo(load: Load) -> Bill:
    """Returns the bill of Tempo as a single process on one small machine, with its blocks in S3."""
    gigabytes = load.spans * RETENTION_DAYS * _TEMPO_BYTES_A_SPAN / 1e9
    return Bill.of(
        (prices.T4G_MEDIUM, prices.HOURS),
        (prices.PUBLIC_IPV4, prices.HOURS),
        (prices.GP3, _TEMPO_DISK_GB),
        (prices.S3_STORAGE, gigabytes),
        (prices.S3_PUT, DAYS * _TEMPO_PUTS_A_DAY),
        (prices.S3_GET, DAYS * _TEMPO_GETS_A_DAY),
    )


SPANS_A_TRACE = 10
"""Segments and subsegments of a trace; X-Ray charges by the trace, spanlake by the request of many spans."""
_READ_SHARE = 0.1  # of the traces, that somebody looks for or looks at in X-Ray


def xray(load: Load) -> Bill:
    """Returns the bill of X-Ray for the same spans, all of them sampled."""
    traces = load.a_month / SPANS_A_TRACE
    return Bill.of((prices.XRAY_RECORDED, traces), (prices.XRAY_READ, traces * _READ_SHARE))


def _between(measured: Sequence[Requests], name: str, spans: float) -> float:
    """A figure of a request with so many spans, by the two measured sizes that are nearest around it."""
    pairs = list(pairwise(measured))
    low, high = next((pair for pair in pairs if spans <= pair[1].spans), pairs[-1])
    first, last = float(getattr(low, name)), float(getattr(high, name))
    return max(0.0, first + (last - first) * (spans - low.spans) / (high.spans - low.spans))


def _line(small: Merging, large: Merging) -> tuple[float, float]:
    """CPU seconds of a merge by span and by block."""
    a_span = max(0.0, (large.cpu_seconds - small.cpu_seconds) / (large.spans - small.spans))
    return a_span, max(0.0, small.cpu_seconds - a_span * small.spans)
