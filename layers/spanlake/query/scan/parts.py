"""Parts of the blocks that a search reads one after the other, newest first."""

from collections.abc import Iterator, Sequence

from spanlake.store.blocks.block import Block

PART_SPANS = 100_000
_GROWTH = 4


def newest_first(blocks: Sequence[Block]) -> Iterator[tuple[Block, ...]]:
    """All blocks, those that end last first: PORTION_SPANS of spans, then four times as many each time."""
    size = PART_SPANS
    gathered: list[Block] = []
    for block in sorted(blocks, key=lambda block: (block.end_ns, block.id), reverse=True):
        gathered.append(block)
        if sum(one.spans for one in gathered) >= size:
            yield tuple(gathered)
            gathered, size = [], size * _GROWTH
    if gathered:
        yield tuple(gathered)
