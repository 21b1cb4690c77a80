"""One request's queries: the engine that runs them, deadline, cancellation and budget.

Policies are the figures by which queries are run: how much is read at once, and when one way is chosen over another.
Answers do not depend on them. They are no settings: each was measured, and tests pass others in.
"""

import copy
import time
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
from sqlglot import exp

from spanlake.query.engine.base import Engine
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.store.blocks.block import Block
from spanlake.store.blocks.trace_columns import FEWEST_SPANS, SLICED_SPANS


@dataclass(frozen=True, slots=True)
class SearchPolicy:
    """The portions in which a search reads blocks and judges traces."""

    part_spans: int = 100_000  # of the newest blocks, which are looked through first
    part_blocks: int = 250  # of them at most: each costs a millisecond to open, and in S3 a request
    spans_per_trace: int = 16  # that are looked at for each trace that is wanted
    spans_per_match: int = 5  # the same where each span that meets a test is a match: those of a trace are few
    first_spans: int = 2048  # of them at most before a time is known that has as many: beyond 5,000 DuckDB sorts all
    fewest_traces: int = 128  # that are judged at once where few may match: a few take nearly as long as so many
    many_blocks: int = 1000  # beyond which a search ends with what it has found when half of its time is up
    sliced_spans: int = SLICED_SPANS  # of a block that is looked at for slices


@dataclass(frozen=True, slots=True)
class ComparePolicy:
    """The portions in which compare() counts."""

    columns: int = 48  # in one statement: GROUPING() takes no more than 64
    spans: int = 1 << 22  # that are put together to traces at once, which takes memory
    noted_spans: int = FEWEST_SPANS  # of a block that is looked at for trace columns, unless it was compacted
    few_traces: int = 256  # that take less time to compare with than to look up


@dataclass(frozen=True, slots=True)
class QueryPolicy:
    """The figures of all queries."""

    search: SearchPolicy = SearchPolicy()
    compare: ComparePolicy = ComparePolicy()
    tree_bytes: int = 160  # of a span whose place in its trace's tree matters, outside of DuckDB's own limit
    sampled_blocks: int = 8  # of a sample in which names of attributes are looked for
    sampled_spans: int = 32_768  # of that sample


USUAL_POLICY = QueryPolicy()


class Cancellation:
    """Lets another thread stop a request's queries."""

    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        """Stop the running query, within a twentieth of a second, and refuse further ones."""
        self.cancelled = True


class Session:
    """One request's queries on an engine, under one deadline. Not to be shared between threads."""

    def __init__(
        self, engine: Engine, limits: Limits, cancellation: Cancellation, policy: QueryPolicy = USUAL_POLICY
    ) -> None:
        self.engine = engine
        self.limits = limits
        self.policy = policy
        self._deadline = time.monotonic() + limits.seconds
        self._cancellation = cancellation
        self._has_budget = True
        self._spans: dict[str, int] = {}  # of the blocks that were read, by their ids
        self._bytes: dict[str, int] = {}

    def on_engine(self, engine: Engine) -> "Session":
        """Return the same session on an engine outside of the process, where the number of spans is no limit."""
        found = copy.copy(self)
        found.engine = engine
        found._has_budget = False
        return found

    def charge(self, blocks: Iterable[Block]) -> None:
        """Note the blocks that are read next.

        Raises LimitExceeded for too many blocks, and for too many spans or bytes in all that the request reads.
        """
        if not self._has_budget:
            return
        read = list(blocks)
        if self.limits.blocks and len(read) > self.limits.blocks:
            raise LimitExceeded(
                f"the query has to open more than {self.limits.blocks} blocks, as many as {len(read)}, since "
                "compaction has not merged them yet: ask for a shorter time range, or later, or set --partial-answers"
            )
        self._spans |= {block.id: block.spans for block in read}
        self._bytes |= {block.id: block.size for block in read}
        if self.limits.bytes and sum(self._bytes.values()) > self.limits.bytes:
            raise LimitExceeded(
                f"the query has to read more than the {self.limits.bytes} bytes that its tenant may: ask for a "
                "shorter time range"
            )
        if self.limits.spans and sum(self._spans.values()) > self.limits.spans:
            raise LimitExceeded(
                f"the query has to read more than {self.limits.spans} spans: ask for a shorter time range, or raise "
                "--query-spans"
            )

    def run(self, query: exp.Query, *, large: bool = False, outputs: pa.Schema | None = None) -> pa.Table:
        """Run a query; see ``Engine.run``.

        Raises LimitExceeded when time or memory run out, Cancelled when the request was given up.
        """
        return self.engine.run(query, outputs, self.check, large=large)

    def check(self) -> None:
        """Raise LimitExceeded when the request's time is up, Cancelled when it was given up."""
        if self._cancellation.cancelled:
            raise Cancelled
        if time.monotonic() > self._deadline:
            raise LimitExceeded(
                f"the query ran longer than {self.limits.seconds:g} s: ask for a shorter time range or a narrower "
                "filter, or raise --query-timeout"
            )

    @property
    def is_half_over(self) -> bool:
        """True when half of the request's time is up."""
        return time.monotonic() > self._deadline - self.limits.seconds / 2
