"""One request's queries: the engine that runs them, deadline, cancellation and budget."""

import copy
import time
from collections.abc import Iterable

import pyarrow as pa
from sqlglot import exp

from spanlake.query.engine.base import Engine
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.query.policy import USUAL_POLICY, QueryPolicy
from spanlake.store.blocks.block import Block


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
