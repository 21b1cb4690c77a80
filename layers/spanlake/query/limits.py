"""The bounds every query runs in, and the errors that name them."""

from contextvars import ContextVar
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class LimitsOfTenant:
    """Bounds of the queries of a tenant, beside those of the process; None is no bound."""

    spans: int | None = None
    bytes: int | None = None  # of the blocks that are read
    series: int | None = None
    tenants: tuple[str, ...] = ()  # that are asked
    athena_bytes: int | None = None  # that Athena reads for a tenant on one UTC day


OF_TENANT: ContextVar[LimitsOfTenant | None] = ContextVar("limits of the tenant", default=None)
"""The bounds of the tenant of the request that is being answered."""


class LimitExceeded(Exception):  # noqa: N818
    """A query needs more than it is allowed; the message names the limit and how to raise it."""


class TooManySpans(LimitExceeded):
    """Some traces have more spans together than one answer is made of."""


class Cancelled(Exception):  # noqa: N818
    """Whoever asked is no longer waiting for the answer."""


@dataclass(frozen=True)
class Limits:
    """Bounds of one query. Whatever is an error beyond them is bounded before it is computed."""

    seconds: float = 30.0  # wall time of one request
    memory_bytes: int = 1 << 30  # of all queries together
    threads: int = 0  # of all queries together; 0 is one a core
    spans: int = 1_000_000_000  # in the blocks that have to be read; 0 for any number
    blocks: int = 5_000  # that are opened at once: compaction leaves a few hundred of a day; 0 for any number
    traces: int = 100_000  # the most that a search may be asked for
    trace_spans: int = 1_000_000  # of one trace fetched by id
    values: int = 100_000  # distinct values in one answer
    series: int = 20_000  # of a metrics query
    points: int = 1_000_000  # of all series of a metrics query together
    bytes: int = 0  # of the blocks that have to be read; 0 for any number
    samples: int = 20_000  # steps of a metrics query: Tempo allows about as many

    def within(self, tenant: LimitsOfTenant | None) -> "Limits":
        """Return the lower of these bounds and a tenant's."""
        if tenant is None or (tenant.spans, tenant.bytes, tenant.series) == (None, None, None):
            return self
        spans = min(self.spans or tenant.spans or 0, tenant.spans or self.spans)
        return replace(
            self, spans=spans, bytes=tenant.bytes or 0, series=min(self.series, tenant.series or self.series)
        )
