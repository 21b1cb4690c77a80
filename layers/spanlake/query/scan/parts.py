"""Parts of the blocks that a search reads one after the other, newest first."""

from collections.abc import Iterator, Sequence

from spanlake.store.blocks.block import Block

_MOST_BLOCKS = 1000
_GROWTH = 4


def in_parts(blocks: Sequence[Block], size: int, most: int) -> Iterator[tuple[Block, ...]]:
    """Yield all blocks, those that end last first.

    ``size`` spans or ``most`` blocks, then four times as many each time.

    1,000 blocks are the most at once.
    """
    gathered: list[Block] = []
    spans = 0
    for block in sorted(blocks, key=lambda block: (block.end_ns, block.id), reverse=True):
        gathered.append(block)
        spans += block.spans
        if spans >= size or len(gathered) >= most:
            yield tuple(gathered)
            gathered, spans, size, most = [], 0, size * _GROWTH, min(most * _GROWTH, _MOST_BLOCKS)
    if gathered:
        yield tuple(gathered)
