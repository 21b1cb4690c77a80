"""Records requests sent, acknowledged and deleted, from which follow the answers that are allowed."""

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from threading import Lock

from tests.scenarios.chaos.spans import SPANS_OF_TRACE, Sending, World


@dataclass
class _Fate:
    """State of a request."""

    chances: set[object] = field(default_factory=set)  # to be stored once each
    acknowledged: bool = False


@dataclass(frozen=True)
class Knowledge:
    """Knowledge at one moment of the spans of a trace, or of spans that are counted."""

    certain: frozenset[bytes]  # spans that are stored
    possible: frozenset[bytes]  # these, and others that may be


@dataclass(frozen=True)
class Moment:
    """Knowledge of all requests at one moment."""

    acknowledged: frozenset[Sending]
    gone: frozenset[bytes]  # traces that are known to be deleted


class Ledger:
    """Shared by all clients."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []
        self._lock = Lock()
        self._fates: dict[Sending, _Fate] = {}
        self._doomed: set[bytes] = set()  # traces that somebody has asked to delete
        self._gone: set[bytes] = set()  # traces that are known to be deleted

    def violated(self, what: str) -> None:
        """Note that something is not as it must be."""
        with self._lock:
            self.violations.append(what)

    def sends(self, sending: Sending, life: int, refusals: int) -> None:
        """Note that a request is about to be sent to the server in that life of its, after so many refusals.

        What a server was sent twice it stores once, unless it has refused it in between, or was killed.
        """
        with self._lock:
            self._fates.setdefault(sending, _Fate()).chances.add((life, refusals))

    def acknowledges(self, sending: Sending) -> None:
        """Note that a request was answered with success."""
        with self._lock:
            self._fates[sending].acknowledged = True

    def doom(self, trace_id: bytes) -> None:
        """Note that a trace is about to be deleted."""
        with self._lock:
            self._doomed.add(trace_id)

    def bury(self, trace_id: bytes) -> None:
        """Note that a trace was deleted."""
        with self._lock:
            self._gone.add(trace_id)

    def is_doomed(self, trace_id: bytes) -> bool:
        """Returns True where a client has requested the trace's deletion."""
        with self._lock:
            return trace_id in self._doomed

    def pick(self, chance: random.Random) -> Sending | None:
        """Some request that was sent."""
        with self._lock:
            return chance.choice(list(self._fates)) if self._fates else None

    def pick_complete(self, chance: random.Random) -> Sending | None:
        """Some request whose traces have all their spans acknowledged."""
        sending = self.pick(chance)
        if sending is None:
            return None
        with self._lock:
            fates = [self._fates.get(sibling) for sibling in sending.siblings]
        return sending if all(fate is not None and fate.acknowledged for fate in fates) else None

    def trace(self, sending: Sending, trace_id: bytes) -> Knowledge:
        """Returns the knowledge of one trace of a request."""
        return self._known(sending.siblings, frozenset({trace_id}))

    def spans(self) -> Knowledge:
        """Returns the knowledge of all spans together."""
        with self._lock:
            sendings = list(self._fates)
        return self._known(sendings)

    def moment(self) -> Moment:
        """Returns the knowledge of now, for the bounds of an answer that is asked for next."""
        with self._lock:
            acknowledged = frozenset(sending for sending, fate in self._fates.items() if fate.acknowledged)
            return Moment(acknowledged, frozenset(self._gone))

    def bounds(self, worth: Callable[[Sending], int], asked: Moment) -> dict[str, tuple[int, int]]:
        """By service the least and the most that its spans may count in an answer, each for what its request is worth.

        What was acknowledged before the question counts, unless somebody has asked by now to delete it; what was sent
        by now may count, unless it was known to be deleted before the question. Before compaction a request counts once
        for each chance that it had to be stored.
        """
        with self._lock:
            found: dict[str, tuple[int, int]] = {}
            for sending, fate in self._fates.items():
                ids = self.world.traces(sending)
                is_certain = sending in asked.acknowledged
                certain = SPANS_OF_TRACE * sum(id_ not in self._doomed for id_ in ids) if is_certain else 0
                possible = SPANS_OF_TRACE * sum(id_ not in asked.gone for id_ in ids) * len(fate.chances)
                least, most = found.get(sending.service, (0, 0))
                found[sending.service] = least + certain * worth(sending), most + possible * worth(sending)
            return found

    def _known(self, sendings: Iterable[Sending], of: frozenset[bytes] | None = None) -> Knowledge:
        certain: set[bytes] = set()
        possible: set[bytes] = set()
        with self._lock:
            for sending in self._fates.keys() & set(sendings):
                for trace_id, span_ids in self.world.traces(sending).items():
                    if trace_id in self._gone or (of is not None and trace_id not in of):
                        continue
                    possible |= span_ids
                    if self._fates[sending].acknowledged and trace_id not in self._doomed:
                        certain |= span_ids
        return Knowledge(frozenset(certain), frozenset(possible))

    def chances(self, sending: Sending) -> int:
        """Returns the number of times that a request may have been stored."""
        with self._lock:
            return len(self._fates[sending].chances)

    def figures(self) -> str:
        """Summarises the run so far in a line."""
        with self._lock:
            acknowledged = sum(fate.acknowledged for fate in self._fates.values())
            again = sum(len(fate.chances) > 1 for fate in self._fates.values())
            return f"{acknowledged} requests acknowledged, {again} of them sent again, {len(self._gone)} traces deleted"
