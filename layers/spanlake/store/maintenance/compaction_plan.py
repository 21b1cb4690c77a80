"""Which blocks are merged, and when: a pure function of a day's live blocks and the time.

Blocks come in tiers by their number of spans, each tier FAN_IN times the one below. A run of FAN_IN blocks of one tier
that came in one after the other makes a block of the next, until a block is half full: then it stays as it is. So a
span is written again about log(FULL_SPANS / spans of a request) / log(FAN_IN) times. What comes in with one delay is
merged with its like, so that a block covers one stretch of time, which a search for another hour need not read. A day
on which nothing more arrives ends in blocks that are at least half full, and one that is not, all of them sorted.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter

from spanlake.store.blocks.block import MAX_REPLACED, Block, arrival_order
from spanlake.store.days import DAY_NS

FULL_SPANS = 1 << 21
FULL_BYTES = 128 << 20
# Fresh blocks are not sorted, so that those of a merge are held in memory together.
FRESH_SPANS = 1 << 17
FRESH_BYTES = 32 << 20
# A file of 200 KB may hold 48 MiB of spans, so that what a merge reads is bounded by what it is in memory as well.
FULL_UNCOMPRESSED = 1 << 30
FRESH_UNCOMPRESSED = 64 << 20
_INFLATION = 4  # how many times larger than its file a block is in memory that an older version wrote

FAN_IN = 32
MOST_INPUTS = MAX_REPLACED - 10  # when many have piled up

_GAP_NS = 3600 * 10**9  # blocks that came in further apart, or later, are not merged while the day goes on
_LATE_NS = 3600 * 10**9  # how long after midnight a day is still open


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """Bounds of the plan that tests lower."""

    fan_in: int = FAN_IN
    most_inputs: int = MOST_INPUTS
    quiet_ns: int = 900 * 10**9  # for which nothing may have arrived for a day that is over


USUAL_PLAN = PlanPolicy()


@dataclass(frozen=True, slots=True)
class Merge:
    """Live blocks of one tenant and day to put one in the place of, in the order in which their spans arrived."""

    inputs: tuple[Block, ...]

    @property
    def spans(self) -> int:
        """Number of spans that the merge reads."""
        return sum(block.spans for block in self.inputs)

    @property
    def size(self) -> int:
        """Number of bytes that the merge reads."""
        return sum(block.size for block in self.inputs)


def uncompressed_size(block: Block) -> int:
    """Return the bytes of a block's spans in memory, roughly where its entry does not say."""
    return block.uncompressed_size or _INFLATION * block.size


def plan(blocks: Iterable[Block], now_ns: int, *, settle: bool = False, policy: PlanPolicy = USUAL_PLAN) -> list[Merge]:
    """Return the merges that the live blocks of a tenant's day call for, no block in two of them, cheap ones first.

    ``settle`` treats the day as one on which nothing more arrives.
    """
    blocks = sorted(blocks, key=arrival_order)
    partial = [block for block in blocks if not _is_full(block)]
    if settle or _is_over(blocks, now_ns, policy.quiet_ns):
        runs = [run for run in _cut(_side_by_side(partial), policy) if len(run) > 1 or run[0].level == 0]
    else:
        runs = [run for tier in _tiers(partial, policy.fan_in) for run in _due(tier, policy)]
    merged = {block.id for run in runs for block in run}
    rewritten = [[block] for block in blocks if block.hidden and block.id not in merged]
    merges = [Merge(tuple(sorted(run, key=arrival_order))) for run in (*runs, *rewritten)]
    return sorted(merges, key=attrgetter("spans"))


def _is_over(blocks: Sequence[Block], now_ns: int, quiet_ns: int) -> bool:
    """Return True where nothing more is likely to arrive for the day of these blocks."""
    if not blocks:
        return False
    midnight = (blocks[0].start_ns // DAY_NS + 1) * DAY_NS
    newest = max((block.created_ns for block in blocks if block.level == 0), default=0)
    return now_ns >= midnight + _LATE_NS and now_ns >= newest + quiet_ns


def _is_full(block: Block) -> bool:
    return (
        2 * block.spans >= FULL_SPANS
        or 2 * block.size >= FULL_BYTES
        or 2 * uncompressed_size(block) >= FULL_UNCOMPRESSED
    )


def _side_by_side(blocks: Sequence[Block]) -> Sequence[Block]:
    """Return the blocks of a whole day in the order in which they should share blocks.

    By time, unless they will be one block anyhow: then the order of arrival is kept exactly.
    """
    if sum(block.spans for block in blocks) <= FULL_SPANS:
        return blocks
    return sorted(blocks, key=lambda block: (block.start_ns, *arrival_order(block)))


def _tiers(blocks: Iterable[Block], fan_in: int) -> list[list[Block]]:
    """Group the blocks by the power of ``fan_in`` that they are smaller than a full one, and by their lateness."""
    tiers: dict[tuple[int, int], list[Block]] = {}
    for block in blocks:
        delay = (block.created_ns - block.start_ns) // _GAP_NS
        tiers.setdefault((_tier(block, fan_in), delay), []).append(block)
    return list(tiers.values())


def _tier(block: Block, fan_in: int) -> int:
    tier, limit = 0, FULL_SPANS // 2
    while block.spans < limit:
        limit //= fan_in
        tier += 1
    return tier


def _due(tier: Sequence[Block], policy: PlanPolicy) -> Iterator[list[Block]]:
    """Yield the runs of a tier that are long enough, or large enough, to be merged while the day goes on."""
    for stretch in _stretches(tier):
        runs = list(_cut(stretch, policy))
        yield from (run for run in runs[:-1] if _is_worthwhile(run))
        if len(runs[-1]) >= policy.fan_in:
            yield runs[-1]


def _stretches(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    stretch: list[Block] = []
    for block in blocks:
        if stretch and block.created_ns - stretch[-1].created_ns > _GAP_NS:
            yield stretch
            stretch = []
        stretch.append(block)
    if stretch:
        yield stretch


def _cut(blocks: Sequence[Block], policy: PlanPolicy) -> Iterator[list[Block]]:
    """Run of blocks that one merge can take, each as long as it can be."""
    run: list[Block] = []
    for block in blocks:
        if run and not _fits([*run, block], policy):
            yield run
            run = []
        run.append(block)
    if run:
        yield run


def _fits(run: Sequence[Block], policy: PlanPolicy) -> bool:
    fresh = [block for block in run if block.level == 0]
    return (
        len(run) <= policy.most_inputs
        and sum(block.spans for block in run) <= FULL_SPANS
        and sum(block.size for block in run) <= FULL_BYTES
        and sum(map(uncompressed_size, run)) <= FULL_UNCOMPRESSED
        and sum(block.spans for block in fresh) <= FRESH_SPANS
        and sum(block.size for block in fresh) <= FRESH_BYTES
        and sum(map(uncompressed_size, fresh)) <= FRESH_UNCOMPRESSED
    )


def _is_worthwhile(run: Sequence[Block]) -> bool:
    """Return True for a run of several blocks, or of a fresh one too large to be merged before it is sorted."""
    if len(run) > 1:
        return True
    return run[0].level == 0 and (
        2 * run[0].spans > FRESH_SPANS
        or 2 * run[0].size > FRESH_BYTES
        or 2 * uncompressed_size(run[0]) > FRESH_UNCOMPRESSED
    )
