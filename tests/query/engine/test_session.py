"""Sessions: any engine runs their queries, within the budget of the process's own."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pytest
from sqlglot import exp

from spanlake.query.engine.base import Engine, NotSupportedByEngine, Scan, Traits
from spanlake.query.engine.session import Cancellation, Session
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.query.scan.offload import Offload, offload_if_large
from spanlake.query.time_range import Steps
from spanlake.store.blocks.block import Block
from tests.query.kit import HOUR, NOON, At, Lake

ANSWER = pa.table({"n": [1]})


@dataclass
class Recorder:
    """An engine that knows every answer, and notes what it was asked."""

    name: str = "Recorder"
    traits: Traits = field(default_factory=lambda: Traits(knows_rows=False, is_quick=False))
    asked: list[str] = field(default_factory=list)

    def relation(self, scan: Scan, columns: Iterable[str], *, row_id: bool) -> exp.Select:  # noqa: ARG002
        return exp.select(*sorted(columns)).from_("elsewhere")

    def run(
        self,
        query: exp.Query,
        outputs: pa.Schema | None,
        check: Callable[[], None],
        *,
        large: bool = False,  # noqa: ARG002
    ) -> pa.Table:
        check()
        self.asked.append(query.sql("duckdb"))
        if outputs is None:
            raise NotSupportedByEngine("it has no words for it")
        return outputs.empty_table()


def block(name: str, spans: int = 10) -> Block:
    return Block("t", date(1970, 1, 1), name, 0, 0, 1, spans, 1, 0, b"")


def test_queries_run_on_the_engine_of_the_session() -> None:
    engine: Engine = Recorder()
    session = Session(engine, Limits(), Cancellation())
    assert session.run(exp.select("n").from_("x"), outputs=ANSWER.schema).num_rows == 0
    with pytest.raises(NotSupportedByEngine):
        session.run(exp.select("n").from_("x"))


def test_cancelled_session_runs_nothing() -> None:
    engine, cancellation = Recorder(), Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        Session(engine, Limits(), cancellation).run(exp.select("n"), outputs=ANSWER.schema)
    assert engine.asked == []


def test_budget_counts_each_block_once_and_none_of_another_engine() -> None:
    session = Session(Recorder(), Limits(spans=15, blocks=2), Cancellation())
    session.charge([block("a")])
    session.charge([block("a")])
    session.on_engine(Recorder()).charge([block(str(number), 1000) for number in range(9)])
    with pytest.raises(LimitExceeded, match="more than 15 spans"):
        session.charge([block("b")])
    with pytest.raises(LimitExceeded, match="more than 2 blocks"):
        session.charge([block("a"), block("b"), block("c")])


@pytest.mark.parametrize("query", ["{ } | rate()", "{ traceDuration >= 0s } | rate()"])
@pytest.mark.parametrize("is_index_far", [False, True], ids=["all blocks known", "history looked up"])
def test_offloaded_metrics_read_the_relation_of_the_engine(lake: Lake, query: str, *, is_index_far: bool) -> None:
    lake.add(At(1))
    engine = Recorder()
    lake.use(offload=Offload(engine, above_bytes=0), is_index_far=is_index_far)
    assert lake.series(query, Steps.whole(NOON - HOUR, NOON + HOUR)) == {("rate",): (0.0,)}
    (asked,) = engine.asked
    assert "FROM elsewhere" in asked
    assert "read_parquet" not in asked


def test_question_that_the_engine_refuses_is_answered_here() -> None:
    def ask(session: Session, source: object) -> str:
        session.run(exp.select("n"), outputs=None)
        return session.engine.name

    here = Recorder(name="here")
    here.run = lambda *_, **__: ANSWER  # type: ignore[method-assign]
    offload = Offload(Recorder(), above_bytes=0)
    source = _NoBlocks()
    assert offload_if_large(offload, Session(here, Limits(), Cancellation()), source, 1, ask) == "here"  # type: ignore[arg-type]


class _NoBlocks:
    """A scan of nothing."""

    blocks = ()

    def without_row_numbers(self) -> "_NoBlocks":
        return self
