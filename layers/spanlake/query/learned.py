"""What compare() has learned of a tenant's columns, kept for its next queries.

How columns depend on each other changes seldom, and what they are for a hash of theirs is true of all spans at all
times. So the next query need not read a sample, nor look for what the sample lacked.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import pyarrow as pa

_SECONDS = 600.0  # after which a sample is taken again
_MOST = 16  # of those that were used last
_MOST_BYTES = 4 << 20  # each


@dataclass(frozen=True)
class Learned:
    """Which of some columns have countless values, which depend on each other, and rows of theirs, each only once."""

    scattered: frozenset[str]
    sets: Sequence[Sequence[str]]
    rows: pa.Table


class Memory:
    """Keeps what was learned; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, tuple[float, Learned]] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, about: Hashable) -> Learned | None:
        """What was learned about this not long ago, if anything."""
        with self._lock:
            since, learned = self._kept.get(about, (0.0, None))
            if learned is None or time.monotonic() - since > _SECONDS:
                return None
            self._kept.move_to_end(about)
            return learned

    def keep(self, about: Hashable, learned: Learned) -> None:
        """Keep it in the place of what was learned before, from then on; nothing that takes much memory."""
        with self._lock:
            since, known = self._kept.pop(about, (time.monotonic(), None))
            if known is None or time.monotonic() - since > _SECONDS:
                since = time.monotonic()
            if learned.rows.nbytes <= _MOST_BYTES:
                self._kept[about] = since, learned
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def forget(self, about: Hashable) -> None:
        """Learn it anew next time."""
        with self._lock:
            self._kept.pop(about, None)
