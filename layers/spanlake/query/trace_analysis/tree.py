"""The spans of a whole trace with their parents, in the columns that the questions about it read."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa
import pyarrow.compute as pc

from spanlake.spans.arrow import Array, as_array, int64, string
from spanlake.spans.parents import Spans, ends


@dataclass(frozen=True)
class TraceTree:
    """A span table of one trace or several, in which each span has a row and knows the row of its parent."""

    spans: pa.Table

    @property
    def rows(self) -> int:
        """Number of spans."""
        return self.spans.num_rows

    @cached_property
    def start(self) -> Array:
        """Starts in Unix nanoseconds."""
        return self._column("start_time_unix_nano")

    @cached_property
    def end(self) -> Array:
        """Ends in Unix nanoseconds, never before the start."""
        return ends(self.start, self._column("duration_nano"))

    @cached_property
    def is_error(self) -> Array:
        """True where a span has the status error."""
        return pc.fill_null(pc.equal(self._column("status_code"), pa.scalar(2, pa.int32())), pa.scalar(False))

    @cached_property
    def service(self) -> Array:
        """Names of services, empty where there is none."""
        return pc.fill_null(self._column("service_name"), string(""))

    @cached_property
    def name(self) -> Array:
        """Names of spans."""
        return pc.fill_null(self._column("name"), string(""))

    @cached_property
    def parent(self) -> Array:
        """Rows of the parents (int64), null of a root and where the parent is not stored.

        A span of a circle of parents, or below one, has none either: no root leads to it.
        """
        keys = Spans(self._column("span_id"), self._column("parent_span_id"), self._column("kind"), self._ordering)
        parents = keys.parents()
        *_, last = (parents, *doubled(parents))
        in_circle = pc.is_valid(last.take(last))
        return pc.if_else(in_circle, pa.scalar(None, pa.int64()), parents)

    def _ordering(self) -> pa.Table:
        return pa.table({"start": self.start, "end": self.end, "name": self.name})

    def _column(self, name: str) -> Array:
        return as_array(self.spans[name])


def doubled(parents: Array) -> Iterator[Array]:
    """Yield the rows of the parents, of the ancestors two steps up, four, and so on, while there are any."""
    ahead = parents
    for _ in range(len(parents).bit_length()):
        if ahead.null_count == len(ahead):
            return
        yield ahead
        ahead = ahead.take(ahead)


def durations_ms(nanoseconds: Array) -> Array:
    """Convert nanoseconds to milliseconds."""
    return pc.divide(nanoseconds.cast(pa.float64()), pa.scalar(1e6))


def root_rows(parents: Array) -> Array:
    """Replace the missing parents of roots by -1, so that roots are the children of one row."""
    return pc.fill_null(parents, int64(-1))
