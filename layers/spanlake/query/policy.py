"""The figures by which queries are run: how much is read at once, and when one way is chosen over another.

Answers do not depend on them. They are no settings: each was measured, and tests pass others in.
"""

from dataclasses import dataclass

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
