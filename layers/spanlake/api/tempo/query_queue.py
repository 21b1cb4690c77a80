"""The order in which queries run: a few at a time, each tenant in its turn, and never all of them of one tenant."""

import asyncio
import os
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from spanlake.ingest.tenant_work import TenantWork

_LEAST_AT_ONCE = 2
_WAITING = 512  # queries, of all tenants
_WAIT_SECONDS = 45.0
_RECENT_SECONDS = 10.0  # for which a tenant that has asked keeps a place from the others
_HALVED_SECONDS = 10.0  # after which the time that a query took counts half
_TIMES_OTHERS = 2.0  # the time of any other tenant's queries, beyond which a tenant lets those of others run alone
_LEAST_SHARE = 1 / 3  # of the time of all queries, up to which no tenant has to
_MOST_TENANTS = 1000  # whose time is remembered
_MUCH_SECONDS = 2.5  # of a tenant's queries lately, beyond which it rests after each: a page of charts takes less
_REST = 5.0  # times what its last query took, for which a tenant with most of the time rests before its next
_LONGEST_REST = 2.0  # seconds


class TooManyQueries(Exception):  # noqa: N818
    """There are too many queries; the same query may succeed later."""

    retry_seconds = 2
    ends_connection = True  # which would hold its place for 75 s more where nobody reads the refusal


@dataclass(slots=True)
class _OwnPlaces:
    """The places of a tenant that has a limit of its own."""

    users: int = 0  # queries that run or wait
    running: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class _Recent:
    """The tenants that have asked a moment ago."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._asked: OrderedDict[str, float] = OrderedDict()

    def note(self, tenant: str) -> None:
        """Note that a tenant asks."""
        self._asked[tenant] = self._clock()
        self._asked.move_to_end(tenant)

    def has_another(self, tenant: str) -> bool:
        """True where another tenant has asked, too."""
        since = self._clock() - _RECENT_SECONDS
        while self._asked and next(iter(self._asked.values())) < since:
            self._asked.popitem(last=False)
        return len(self._asked) > (tenant in self._asked)


class _Times:
    """Time that the queries of each tenant took lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._taken: dict[str, tuple[float, float]] = {}  # seconds, and when they were so many

    def add(self, tenant: str, seconds: float) -> None:
        """Count a query."""
        if len(self._taken) >= _MOST_TENANTS and tenant not in self._taken:
            del self._taken[min(self._taken, key=self._left)]
        self._taken[tenant] = self._left(tenant) + seconds, self._clock()

    def has_most(self, tenant: str) -> bool:
        """True for a tenant that took by far more time than any other, and no small part of all.

        Of two tenants it took two thirds. Beside many that ask now and then it is far less than that.
        """
        left, others = self._left(tenant), [self._left(other) for other in self._taken if other != tenant]
        return left > _TIMES_OTHERS * max(others, default=0.0) and left > _LEAST_SHARE * (left + sum(others))

    def has_much(self, tenant: str) -> bool:
        """True for a tenant that took most of the time by far, and for a while."""
        return self._left(tenant) > _MUCH_SECONDS and self.has_most(tenant)

    def _left(self, tenant: str) -> float:
        seconds, at = self._taken.get(tenant, (0.0, 0.0))
        return float(seconds * 0.5 ** ((self._clock() - at) / _HALVED_SECONDS))


class QueryQueue:
    """Places for queries that run. It belongs to one event loop.

    More queries at once than there are processors are slower together than one after the other, and keep the
    interpreter from those who do not ask anything. Where several tenants ask, none of them has the last place: who asks
    now and then does not wait until a query ends of one who asks all the time. A tenant that took most of the time
    lately begins no query while those of others run. Once it has asked for long, while others ask or send, its queries
    run one at a time, with rests between them.
    """

    def __init__(
        self,
        at_once: int | None = None,
        waiting: int = _WAITING,
        seconds: float = _WAIT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
        work: TenantWork | None = None,
    ) -> None:
        """``work`` knows which tenants send."""
        self._work = work or TenantWork(clock)
        self._rests: dict[str, float] = {}
        """The end of the rest of tenants that rest."""
        self._places = at_once or max(os.cpu_count() or 1, _LEAST_AT_ONCE)
        self._free = self._places
        self._most_waiting = waiting
        self._seconds = seconds
        self._count = 0
        self._own: dict[str, _OwnPlaces] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """Waiting queries by tenant, those that waited longest for a turn first."""
        self._running: Counter[str] = Counter()
        """Queries that have a place, by tenant."""
        self._recent = _Recent(clock)
        self._times = _Times(clock)
        self._clock = clock

    @asynccontextmanager
    async def place(self, tenant: str, most: int | None = None) -> AsyncIterator[None]:
        """Wait for a place, and hold it until the block ends; raises TooManyQueries.

        ``most`` is the number of places that the tenant may have at once.
        """
        async with self._turn(tenant, most):
            self._recent.note(tenant)
            for each in tenant.split("|"):
                self._work.note(each)
            if tenant not in self._waiting and self._may_begin(tenant):
                self._begin(tenant)
            else:
                await self._wait(tenant)
            begun = self._clock()
            try:
                yield
            finally:
                seconds = self._clock() - begun
                self._times.add(tenant, seconds)
                self._rest(tenant, seconds)
                self._release(tenant)

    @asynccontextmanager
    async def _turn(self, tenant: str, most: int | None) -> AsyncIterator[None]:
        """Wait for one of the tenant's own places, before it waits among the tenants."""
        if most is None:
            yield
            return
        held = self._own.setdefault(tenant, _OwnPlaces())
        held.users += 1
        try:
            await self._own_place(held, most)
            try:
                yield
            finally:
                held.running -= 1
                held.changed.set()
        finally:
            held.users -= 1
            if not held.users:
                del self._own[tenant]

    async def _own_place(self, held: "_OwnPlaces", most: int) -> None:
        if held.users - held.running > self._most_waiting:
            raise TooManyQueries(f"{held.users - held.running} queries of the tenant are waiting: try again later")
        try:
            async with asyncio.timeout(self._seconds):
                while held.running >= most:
                    held.changed.clear()
                    await held.changed.wait()
        except TimeoutError:
            raise TooManyQueries(f"the query waited for {self._seconds:g} s: try again later") from None
        held.running += 1

    def _may_begin(self, tenant: str) -> bool:
        """True where there is a place for the tenant."""
        if not self._free:
            return False
        if self._keeps_others(tenant):
            return False
        has_few = self._running[tenant] < max(self._places - 1, 1)
        return has_few or not self._recent.has_another(tenant)

    def _keeps_others(self, tenant: str) -> bool:
        """True where the next query of a tenant that took most of the time would be in the way of others."""
        if not self._times.has_most(tenant):
            return False
        if self._running.keys() - {tenant} or self._rests.get(tenant, 0.0) > self._clock():
            return True
        return bool(self._running[tenant]) and self._times.has_much(tenant) and self._has_another(tenant)

    def _has_another(self, tenant: str) -> bool:
        return self._recent.has_another(tenant) or self._work.has_another(*tenant.split("|"))

    def _rest(self, tenant: str, seconds: float) -> None:
        """Have a tenant that took most of the time for a while rest after a query, if others are active."""
        if not (self._times.has_much(tenant) and self._has_another(tenant)):
            return
        rest = min(_REST * seconds, _LONGEST_REST)
        until = self._rests[tenant] = self._clock() + rest
        asyncio.get_running_loop().call_later(rest, self._rested, tenant, until)

    def _rested(self, tenant: str, until: float) -> None:
        if self._rests.get(tenant) == until:  # a timer may be early, by the clock
            del self._rests[tenant]
        self._hand_on()

    def _begin(self, tenant: str) -> None:
        self._free -= 1
        self._running[tenant] += 1

    async def _wait(self, tenant: str) -> None:
        if self._count >= self._most_waiting:
            self._make_room(tenant)
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(tenant, deque()).append(turn)
        self._count += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            self._give_up(tenant, turn)
            if isinstance(error, TimeoutError):
                raise TooManyQueries(f"the query waited for {self._seconds:g} s: try again later") from None
            raise

    def _make_room(self, tenant: str) -> None:
        """Refuse the latest query of the tenant with the most that wait; raises TooManyQueries where it is this one."""
        refusal = TooManyQueries(f"{self._count} queries are waiting already: try again later")
        most = max(self._waiting, key=lambda each: len(self._waiting[each]))
        if len(self._waiting[most]) <= len(self._waiting.get(tenant, ())) + 1:
            raise refusal
        refused = self._waiting[most].pop()
        self._count -= 1
        if not refused.done():
            refused.set_exception(refusal)

    def _give_up(self, tenant: str, turn: "asyncio.Future[None]") -> None:
        if turn.done() and not turn.cancelled() and turn.exception() is None:  # its turn came at the same moment
            self._release(tenant)
            return
        turns = self._waiting.get(tenant)
        if turns is not None and turn in turns:
            turns.remove(turn)
            self._count -= 1
            if not turns:
                del self._waiting[tenant]

    def _release(self, tenant: str) -> None:
        """Hand a place on: to a tenant that has the fewest, among them to the one that waited longest for a turn."""
        self._free += 1
        self._running[tenant] -= 1
        if not self._running[tenant]:
            del self._running[tenant]
        self._hand_on()

    def _hand_on(self) -> None:
        while allowed := [each for each in self._waiting if self._may_begin(each)]:
            following = min(allowed, key=self._running.__getitem__)
            turns = self._waiting.pop(following)
            turn = turns.popleft()
            self._count -= 1
            if turns:
                self._waiting[following] = turns  # at the end: other tenants come first
            if not turn.done():
                self._begin(following)
                turn.set_result(None)
