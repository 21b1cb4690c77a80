"""The blocks as rows of the table that Athena has of them.

The table has every object in a folder: also blocks that others have replaced, and objects of writes that came to
nothing. So the live blocks are named one by one, by the end of their objects' paths, and an answer rests on them alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile.spans import ROW_ID
from spanlake.query.compile.sql import id_literal
from spanlake.query.limits import LimitExceeded
from spanlake.store.blocks.block import Block
from spanlake.store.tenant import escape_tenant

MOST_BLOCKS = 6_000  # their names twice over, and a query besides, are within Athena's 262,144 bytes
_NAMED_DIGITS = 16  # of the 32 of a block's id: 64 bits of a hash
_SUFFIX = len(".parquet")


@dataclass(frozen=True)
class GlueTable:
    """A table in the Glue catalog, and what it calls the two parts of blocks' paths."""

    database: str
    name: str

    def rows(self, blocks: Sequence[Block], columns: Sequence[str], *, row_id: bool) -> exp.Select:
        """Write ``SELECT columns`` of some live blocks; see ``Engine``."""
        if len(blocks) > MOST_BLOCKS:
            raise LimitExceeded(f"the range has more than {MOST_BLOCKS} blocks, ask for a shorter one")
        select: list[exp.Expr] = [exp.column(name) for name in columns]
        if row_id:  # how rows follow each other in a block is not known there; of spans in one, later is later
            select.append(exp.alias_(exp.column("start_time_unix_nano"), ROW_ID))
        query = exp.select(*select).from_(exp.table_(self.name, db=self.database), copy=False)
        return query.where(*_of(blocks), *_not_hidden(blocks), copy=False)


def _of(blocks: Sequence[Block]) -> Iterator[exp.Expr]:
    days = sorted({block.date.isoformat() for block in blocks})
    tenants = sorted({block.tenant for block in blocks})
    names = [exp.Literal.string(escape_tenant(tenant)) for tenant in tenants]
    of_one = len(tenants) == 1
    yield _is_tenant(tenants[0]) if of_one else exp.In(this=exp.column("tenant"), expressions=names)
    yield exp.Between(this=exp.column("date"), low=exp.Literal.string(days[0]), high=exp.Literal.string(days[-1]))
    yield _named(blocks) if of_one else exp.or_(*(_named_in(tenant, blocks) for tenant in tenants))


def _is_tenant(tenant: str) -> exp.Expr:
    return exp.EQ(this=exp.column("tenant"), expression=exp.Literal.string(escape_tenant(tenant)))


def _named_in(tenant: str, blocks: Sequence[Block]) -> exp.Expr:
    """Return the test for blocks of one tenant among several, which may have blocks of the same id."""
    return exp.and_(_is_tenant(tenant), _named([block for block in blocks if block.tenant == tenant]))


def _named(blocks: Sequence[Block]) -> exp.Expr:
    place = exp.Literal.number(-(len(blocks[0].id) + _SUFFIX))
    name = exp.func("substr", exp.column("$path"), place, exp.Literal.number(_NAMED_DIGITS))
    names = sorted({block.id[:_NAMED_DIGITS] for block in blocks})
    return exp.In(this=name, expressions=[exp.Literal.string(one) for one in names])


def _not_hidden(blocks: Sequence[Block]) -> Iterator[exp.Expr]:
    hiding: dict[tuple[str, frozenset[bytes]], list[Block]] = {}
    for block in blocks:
        if block.hidden:
            hiding.setdefault((block.tenant, block.hidden), []).append(block)
    of_one = len({block.tenant for block in blocks}) == 1
    for (tenant, trace_ids), some in hiding.items():
        ids = [id_literal(trace_id) for trace_id in sorted(trace_ids)]
        named = _named(some) if of_one else _named_in(tenant, some)
        yield exp.not_(exp.and_(named, exp.In(this=exp.column("trace_id"), expressions=ids)))
