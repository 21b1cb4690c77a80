"""Any history of an index, against a model of it that is a few dictionaries."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from spanlake.store.blocks.block import Block, CatalogEntry
from spanlake.store.days import DAY_NS, MAX_NS, MIN_NS, utc_day
from spanlake.store.errors import IndexConflict
from spanlake.store.index.base import Catalog, Index
from spanlake.store.index.dynamodb.index import DynamoIndex
from tests.store.tables import HOUR, NOON

TENANTS = ("a", "b")
DAYS = 3
FIRST_DAY = utc_day(NOON)
ATTRIBUTES = [CatalogEntry("span", f"key{number}", "string") for number in range(4)]
TRACE_IDS = [bytes([number]) * 16 for number in range(3)]
TIMES = st.integers(-1, 2 * DAYS + 1).map(lambda half_days: NOON + half_days * DAY_NS // 2)

Key = tuple[str, date, int, str]
Picks = st.lists(st.integers(0, 99), min_size=1, max_size=4)


def key(block: Block) -> Key:
    """Returns the identity of a block."""
    return block.tenant, block.date, block.level, block.id


def fresh(number: int, hours: int = 1, size: int = 100) -> Block:
    """Returns one of a dozen blocks that may come in, time and again, of changing length and size."""
    start = NOON + (number // 2 % DAYS) * DAY_NS
    tenant, name = TENANTS[number % 2], f"{number:032x}"
    return Block(tenant, utc_day(start), name, 0, start, start + hours * HOUR, 10, size, NOON, name.encode())


def merged(inputs: Sequence[Block]) -> Block:
    """The block that takes the place of others; the same for the same ones, as compaction has it."""
    content = "".join(sorted(f"{block.id} {sorted(block.hidden)}" for block in inputs))
    return replace(
        inputs[0],
        id=hashlib.blake2b(content.encode(), digest_size=16).hexdigest(),
        level=max(block.level for block in inputs) + 1,
        end_ns=max(block.end_ns for block in inputs),
        spans=sum(block.spans for block in inputs),
        created_ns=min(block.created_ns for block in inputs),
        hidden=frozenset(),
    )


@dataclass
class Model:
    """Model of an index's expected content."""

    live: dict[Key, Block] = field(default_factory=dict)
    retired: dict[Key, Block] = field(default_factory=dict)
    forgotten: set[Key] = field(default_factory=set)
    catalog: dict[tuple[str, date], frozenset[CatalogEntry]] = field(default_factory=dict)
    expired: dict[str, frozenset[CatalogEntry]] = field(default_factory=dict)  # by tenant, of days that were let go

    def is_known(self, block: Block) -> bool:
        return key(block) in self.live or key(block) in self.retired or key(block) in self.forgotten

    def stored_before(self, blocks: Sequence[Block]) -> set[Block]:
        """Returns the blocks that were replaced, or that hide spans."""
        return {
            block
            for block in blocks
            if self.is_known(block) and (key(block) not in self.live or self.live[key(block)].hidden)
        }

    def add(self, blocks: Sequence[Block], catalog: Catalog) -> None:
        for block in blocks:
            if key(block) in self.live:
                known = self.live[key(block)]
                self.live[key(block)] = replace(block, created_ns=known.created_ns, hidden=known.hidden)
            elif not self.is_known(block):
                self.live[key(block)] = block
        for day, entries in catalog.items():
            self.catalog[day] = self.catalog.get(day, frozenset()) | entries

    def is_done(self, added: Block, removed: Sequence[Block]) -> bool:
        return self.is_known(added) and not any(key(block) in self.live for block in removed)

    def can_replace(self, removed: Sequence[Block]) -> bool:
        return all(key(block) in self.live and self.live[key(block)].hidden == block.hidden for block in removed)

    def replace(self, added: Block, removed: Sequence[Block]) -> None:
        for block in removed:
            self.retired[key(block)] = self.live.pop(key(block))
        self.add([added], {})

    def hide(self, block: Block, trace_id: bytes) -> None:
        known = self.live[key(block)]
        self.live[key(block)] = replace(known, hidden=known.hidden | {trace_id})

    def forget(self, block: Block) -> None:
        if self.retired.pop(key(block), None):
            self.forgotten.add(key(block))

    def expire(self, before: date) -> set[str]:
        gone = {block.path for block in (*self.live.values(), *self.retired.values()) if block.date < before}
        self.live = {key_: block for key_, block in self.live.items() if block.date >= before}
        self.retired = {key_: block for key_, block in self.retired.items() if block.date >= before}
        self.forgotten = {key_ for key_ in self.forgotten if key_[1] >= before}
        for day in [day for day in self.catalog if day[1] < before]:
            self.expired[day[0]] = self.expired.get(day[0], frozenset()) | self.catalog.pop(day)
        return gone

    def after(self) -> "Model":
        """Returns the content expected of an index whose days are all removed after this history."""
        self.expire(date.max)
        return Model(expired=self.expired)


class IndexHistory(RuleBasedStateMachine):
    """Writers that repeat themselves, compactors with stale plans, deletions and retention, in any order."""

    def __init__(self, index: Index, before: "IndexHistory | None") -> None:
        super().__init__()
        index.expire(date.max)
        self.index = index
        self.model: Model = before.model.after() if before else Model()
        self.plans: list[list[Block]] = []

    @rule(
        numbers=st.sets(st.integers(0, 11), min_size=1, max_size=4),
        hours=st.sampled_from([1, 30]),
        size=st.integers(100, 103),
        entries=st.frozensets(st.sampled_from(ATTRIBUTES)),
    )
    def add(self, numbers: set[int], hours: int, size: int, entries: frozenset[CatalogEntry]) -> None:
        blocks = [fresh(number, hours, size) for number in sorted(numbers)]
        catalog = {(block.tenant, block.date): entries for block in blocks}
        assert {found.block for found in self.index.add(blocks, catalog)} == self.model.stored_before(blocks)
        self.model.add(blocks, catalog)

    @rule(picks=Picks)
    def plan(self, picks: list[int]) -> None:
        """A compactor looks at the live blocks of a day and chooses some of them."""
        live = self._live()
        if live:
            first = live[picks[0] % len(live)]
            of_day = [block for block in live if (block.tenant, block.date) == (first.tenant, first.date)]
            chosen = {key(block): block for block in (of_day[pick % len(of_day)] for pick in picks)}
            self.plans.append(list(chosen.values()))

    @rule(pick=st.integers(0, 99))
    def carry_out(self, pick: int) -> None:
        """A compactor does what it has planned, perhaps too late, perhaps for the second time."""
        if not self.plans:
            return
        removed = self.plans[pick % len(self.plans)]
        added = merged(removed)
        if self.model.is_done(added, removed):
            self.index.replace([added], removed)
        elif self.model.can_replace(removed):
            self.index.replace([added], removed)
            self.model.replace(added, removed)
        else:
            with pytest.raises(IndexConflict):
                self.index.replace([added], removed)

    @rule(picks=Picks, trace_id=st.sampled_from(TRACE_IDS))
    def hide(self, picks: list[int], trace_id: bytes) -> None:
        live = self._live()
        blocks = {key(block): block for pick in picks if live for block in [live[pick % len(live)]]}
        self.index.mark_deleted(list(blocks.values()), trace_id)
        for block in blocks.values():
            self.model.hide(block, trace_id)

    @rule(number=st.integers(0, 11), trace_id=st.sampled_from(TRACE_IDS))
    def hide_in_what_is_not_live(self, number: int, trace_id: bytes) -> None:
        if key(fresh(number)) not in self.model.live:
            with pytest.raises(IndexConflict):
                self.index.mark_deleted([fresh(number)], trace_id)

    @rule(picks=Picks)
    def forget(self, picks: list[int]) -> None:
        retired = sorted(self.model.retired.values(), key=key)
        for block in {
            key(block): block for pick in picks if retired for block in [retired[pick % len(retired)]]
        }.values():
            self.index.purge([block])
            self.model.forget(block)

    @rule()
    def archive(self) -> None:
        """Replaced blocks leave what queries read, which no question shows."""
        self.index.archive_replaced(int(time.time()) + 60)

    @rule(days=st.integers(0, DAYS))
    def expire(self, days: int) -> None:
        before = FIRST_DAY + timedelta(days)
        assert {block.path for block in self.index.expire(before)} == self.model.expire(before)

    @rule(tenant=st.sampled_from(TENANTS), start=TIMES, end=TIMES)
    def look_up(self, tenant: str, start: int, end: int) -> None:
        found, catalog = self.index.look_up(tenant, start, end)
        touched = [block for block in self._live() if block.tenant == tenant and block.start_ns <= end]
        touched = [block for block in touched if block.end_ns >= start]
        assert {key(block): block for block in found} == {key(block): block for block in touched}
        days = {(tenant, block.date) for block in touched}
        assert catalog >= frozenset().union(*(self.model.catalog[day] for day in days))
        known = frozenset().union(*(entries for day, entries in self.model.catalog.items() if day[0] == tenant))
        if isinstance(
            self.index, DynamoIndex
        ):  # what a day had comes back with it for two hours: others may rely on it
            known |= self.model.expired.get(tenant, frozenset())
        assert catalog <= known

    @invariant()
    def live_blocks_are_found_whole_and_the_latest_end_first(self) -> None:
        for tenant in TENANTS:
            found = self.index.find(tenant, MIN_NS, MAX_NS)
            assert sorted(found, key=key) == [block for block in self._live() if block.tenant == tenant]
            assert [block.end_ns for block in found] == sorted((block.end_ns for block in found), reverse=True)

    @invariant()
    def retired_blocks_are_told(self) -> None:
        retired = self.index.replaced_before(int(time.time()) + 60)
        assert {(key(block), block.size) for block in retired} == {
            (key_, block.size) for key_, block in self.model.retired.items()
        }

    @invariant()
    def entries_are_live_or_retired(self) -> None:
        needed = [*self.model.live.values(), *self.model.retired.values()]
        for tenant in TENANTS:
            for day in (FIRST_DAY + timedelta(number) for number in range(DAYS)):
                paths = {block.path for block in needed if (block.tenant, block.date) == (tenant, day)}
                assert {block.path for block in self.index.entries(tenant, day)} == paths

    @invariant()
    def the_summary_counts_what_is_live(self) -> None:
        summary = self.index.summary()
        live = self._live()
        assert sum(day.blocks for day in summary) == len(live)
        assert sum(day.size for day in summary) == sum(block.size for block in live)
        groups = [(day.tenant, day.date, day.level) for day in summary]
        assert groups == sorted({(block.tenant, block.date, block.level) for block in live})

    @invariant()
    def tenants_with_blocks_are_named(self) -> None:
        assert {block.tenant for block in self._live()} <= set(self.index.tenants()) <= set(TENANTS)

    def _live(self) -> list[Block]:
        return sorted(self.model.live.values(), key=key)


def test_any_history(open_index: Callable[[], Index]) -> None:
    index = open_index()
    histories: list[IndexHistory] = []

    def another() -> IndexHistory:
        histories.append(IndexHistory(index, histories[-1] if histories else None))
        return histories[-1]

    examples = 2 if isinstance(index, DynamoIndex) else 50
    run_state_machine_as_test(
        another,  # type: ignore[arg-type]  # which may be a factory
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    index.close()
