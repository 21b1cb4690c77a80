"""What compare() has learned of a tenant's columns, kept for its next queries.

How columns depend on each other changes seldom, and what they are for a hash of theirs is true of all spans at all
times. So the next query need not read a sample, nor look for what the sample lacked.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

_SECONDS = 600.0  # after which a sample is taken again
_MOST = 16  # of those that were used last
_MOST_BYTES = 4 << 20  # each


@dataclass(frozen=True)
class Learned:
    """Which of some columns have countless values, which few others are of lists, which depend on each other, and what
    hashes of those, and of resources, mean (see ``keyed``)."""

    scattered: Sequence[str]
    lists: Sequence[str]
    sets: Sequence[Sequence[str]]
    meanings: pa.Table
    since: float = field(default_factory=time.monotonic)  # when the sample was taken


class Memory:
    """Keeps what was learned; safe to share between threads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Hashable, Learned] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, about: Hashable) -> Learned | None:
        """What was learned about this not long ago, if anything."""
        with self._lock:
            learned = self._kept.get(about)
            if learned is None or time.monotonic() - learned.since > _SECONDS:
                return None
            self._kept.move_to_end(about)
            return learned

    def keep(self, about: Hashable, learned: Learned) -> None:
        """Keep it in the place of what was learned before; nothing that takes much memory."""
        with self._lock:
            self._kept.pop(about, None)
            if learned.meanings.nbytes <= _MOST_BYTES:
                self._kept[about] = learned
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)

    def forget(self, about: Hashable) -> None:
        """Learn it anew next time."""
        with self._lock:
            self._kept.pop(about, None)
