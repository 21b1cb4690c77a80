"""Tests the choice of queries for Athena, and their end there: through boto3, over a real Trino."""

import copy
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import pytest

from spanlake.query.engine.athena.engine import Athena
from spanlake.query.engine.athena.table import MOST_BLOCKS, GlueTable
from spanlake.query.engine.duckdb import DuckDB
from spanlake.query.engine.session import Cancellation
from spanlake.query.limits import Cancelled, LimitExceeded, Limits
from spanlake.query.plan import plan_metrics
from spanlake.query.querier import Querier
from spanlake.query.scan.offload import Offload
from spanlake.query.time_range import Steps
from spanlake.store.errors import StorageUnavailable
from spanlake.store.glue import attribute_columns, fixed_columns
from spanlake.traceql import parse, validate
from tests import athena
from tests.athena import WORKGROUP, serving
from tests.query.kit import HOUR, MINUTE, TENANT, At, Lake, hashable, steps, trace_id
from tests.server_process import patiently
from tests.trino import SCHEMA, Trino

WHOLE = steps(0, 2 * HOUR, HOUR)
STAYING = ["{} | compare({ status = error })", "{} >> {} | rate()", "{ nestedSetLeft > 1 } | rate()"]
RATE = "{} | count_over_time() by (name)"


class Far:
    """A lake all of whose ranges are read in Athena, unless it is said to be for larger ones."""

    def __init__(self, trino: Trino, workgroup: athena.Athena, near: Lake, table: str, offload: Offload) -> None:
        self.workgroup = workgroup
        self._trino, self._near, self._table, self._offload = trino, near, table, offload
        self._lake = copy.copy(near)
        self._ask(near.duck)

    def _ask(self, duck: DuckDB) -> None:
        near = self._near
        self._lake.querier = Querier(near.index, near.objects, duck, near.querier.sizes, self._offload)

    def above(self, size: int) -> "Far":
        """Returns a copy with another limit."""
        return Far(self._trino, self.workgroup, self._near, self._table, replace(self._offload, above_bytes=size))

    def within(self, limits: Limits) -> "Far":
        """Returns a copy within other limits of this process."""
        found = Far(self._trino, self.workgroup, self._near, self._table, self._offload)
        found._ask(DuckDB([str(self._trino.directory)], limits))
        return found

    def catalogued(self, *, without: str = "") -> "Far":
        """Itself, when the table has columns for what is stored, and all folders."""
        index, table = self._near.index, self._table
        looked_up = [index.look_up(tenant, 0, 2**63 - 1) for tenant in index.tenants()]
        columns = fixed_columns()
        for _, catalog in looked_up:
            columns |= attribute_columns(catalog)
        columns.pop(without, None)
        self._trino.create_table(columns, table, table)
        for blocks, _ in looked_up:
            self._trino.add_partitions(blocks, table, table)
        return self

    def series(self, q: str, when: Steps = WHOLE, stop: Cancellation | None = None, tenant: str = TENANT) -> object:
        """The values of series by their labels."""
        plan = plan_metrics(validate(parse(q), self._lake.querier.sizes))
        found = self._lake.querier.metrics(tenant, plan, when, stop, exemplars=3)
        return {tuple(hashable(value) for _, value in one.labels): one.values for one in found}

    def traces(self, q: str, limit: int) -> list[int]:
        """The numbers of the traces that a search finds, in its order."""
        return self._lake.traces(q, limit=limit)

    @property
    def asked(self) -> int:
        """Number of queries that ran in Athena."""
        return len(self.workgroup.starts)


@pytest.fixture
def name() -> str:
    """Returns a name for the table and its folder."""
    return f"of_{secrets.token_hex(6)}"


@pytest.fixture
def near(trino: Trino, name: str) -> Iterator[Lake]:
    lake = Lake(trino.directory / name)
    yield lake
    lake.close()


@pytest.fixture
def far(trino: Trino, near: Lake, name: str) -> Iterator[Far]:
    workgroup = athena.Athena(trino)
    with serving(workgroup) as client:
        engine = Athena(client, WORKGROUP, GlueTable(SCHEMA, name), pause=0.02)
        yield Far(trino, workgroup, near, name, Offload(engine, above_bytes=0))


def test_small_ranges_stay(far: Far, near: Lake) -> None:
    first, second = (near.add(At(n, name=str(n), start=n * HOUR)) for n in (0, 1))
    size = sum(block.size for block in first + second)
    far.catalogued()
    assert far.above(size).series(RATE) == near.series(RATE, WHOLE)
    assert far.asked == 0
    assert far.above(size - 1).series(RATE) == near.series(RATE, WHOLE)
    assert far.asked == 1
    assert far.above(size - 1).series(RATE, steps(0, 0, HOUR)) == near.series(RATE, steps(0, 0, HOUR))
    assert far.asked == 1


def test_what_it_sends(far: Far, near: Lake) -> None:
    near.add(At(1))
    far.catalogued().series(RATE)
    (start,) = far.workgroup.starts
    assert start["WorkGroup"] == WORKGROUP
    assert start["QueryExecutionContext"] == {"Database": SCHEMA}
    assert start["ResultReuseConfiguration"]["ResultReuseByAgeConfiguration"]["Enabled"]
    assert "\"date\" BETWEEN '2026-11-22' AND '2026-11-22'" in start["QueryString"]


def test_only_live_blocks_count(far: Far, near: Lake) -> None:
    old = [block for n in range(3) for block in near.add(At(n, name="once"))]
    near.index.replace(near.add(At(9, name="once")), old)
    near.objects.put(old[0].path.replace(old[0].id, "0" * 32), near.objects.get(old[0].path))
    assert far.catalogued().series(RATE) == {("once",): (1.0, 0.0, 0.0)}


def test_deleted_traces_do_not_count(far: Far, near: Lake) -> None:
    near.add(At(1, name="a", trace=1), At(2, name="b", trace=2))
    near.add(At(3, name="a", trace=1, start=HOUR))
    assert near.querier.delete(TENANT, trace_id(1))
    assert far.catalogued().series(RATE) == {("b",): (1.0, 0.0, 0.0)}


def test_tenants_whose_names_are_escaped(far: Far, near: Lake) -> None:
    near.add(At(1, name="hers"), tenant="o'hara (1)!".replace(" ", "_"))
    near.add(At(1, name="mine"))
    far.catalogued()
    assert far.series(RATE, tenant="o'hara_(1)!") == {("hers",): (1.0, 0.0, 0.0)}
    assert far.series(RATE) == {("mine",): (1.0, 0.0, 0.0)}


def test_a_search_looks_near_first(far: Far, near: Lake) -> None:
    old = near.add(At(1, trace=1, name="x"))
    new = near.add(At(2, trace=2, name="x", start=HOUR))
    near.add(At(3, trace=1, name="root of 1", start=MINUTE))
    far.catalogued()
    found = far.above(sum(block.size for block in new))
    assert found.traces("{ name = `x` }", limit=1) == [2]
    assert far.asked == 0
    assert found.traces("{ name = `x` }", limit=5) == [2, 1]
    assert far.asked == 1
    assert old[0].id[:16] in far.workgroup.starts[0]["QueryString"]
    assert new[0].id[:16] not in far.workgroup.starts[0]["QueryString"]


@pytest.mark.parametrize("q", STAYING)
def test_what_has_no_words_there_stays(far: Far, near: Lake, q: str) -> None:
    near.add(At(1), At(2, parent=1, status=2))
    assert far.catalogued().series(q) == near.series(q, WHOLE)
    assert far.asked == 0


def test_what_stays_and_is_too_much_says_both(far: Far, near: Lake) -> None:
    near.add(At(1), At(2, parent=1, status=2))
    with pytest.raises(LimitExceeded, match=r"more than 1 spans.*Athena cannot take it over: it has no compare\(\)"):
        far.catalogued().within(Limits(spans=1)).series("{} | compare({ status = error })")


def test_spans_in_blocks_are_no_limit_there(far: Far, near: Lake) -> None:
    near.add(At(1, name="a"), At(2, name="a"))
    assert far.catalogued().within(Limits(spans=1)).series(RATE) == {("a",): (2.0, 0.0, 0.0)}


def test_long_answers_come_in_pages(far: Far, near: Lake) -> None:
    near.add(*(At(n + 1, name=f"{n:04}") for n in range(2_500)))
    found = far.catalogued().series(RATE)
    assert found == near.series(RATE, WHOLE)
    assert isinstance(found, dict)
    assert len(found) == 2_500


def test_an_answer_beyond_the_limits(far: Far, near: Lake) -> None:
    near.add(*(At(n + 1, name=f"{n}") for n in range(30)))
    with pytest.raises(LimitExceeded, match="20 points"):
        far.catalogued().within(Limits(points=20)).series(RATE)


@pytest.mark.parametrize(
    ("q", "values"),
    [
        ("{} | max_over_time(span.n)", {("max_over_time",): (float("inf"), None, None)}),
        ("{} | max_over_time(span.nan)", {("max_over_time",): (1.0, None, None)}),
        ("{} | min_over_time(span.nothing)", {}),
        ("{ span.flag } | count_over_time() by (span.flag)", {(True,): (1.0, 0.0, 0.0)}),
        ("{} | count_over_time() by (span.text)", {("",): (1.0, 0.0, 0.0), ("nil",): (1.0, 0.0, 0.0)}),
        ("{ span.list = 2 } | count_over_time() by (span.list)", {((2, 3),): (1.0, 0.0, 0.0)}),
    ],
)
def test_values_survive(far: Far, near: Lake, q: str, values: object) -> None:
    near.add(At(1, attributes={"n": float("inf"), "text": "", "nan": float("nan")}))
    near.add(At(2, attributes={"n": 1.5, "flag": True, "list": [2, 3], "nan": 1.0}))
    assert far.catalogued().series(q) == near.series(q, WHOLE) == values


def test_time_runs_out(far: Far, near: Lake) -> None:
    near.add(At(1))
    far.workgroup.is_slow = True
    with pytest.raises(LimitExceeded, match=r"longer than 0.5 s"):
        far.catalogued().within(Limits(seconds=0.5)).series(RATE)
    (execution,) = far.workgroup.executions.values()
    assert execution.stopped.is_set()


def test_whoever_asked_hangs_up(far: Far, near: Lake) -> None:
    near.add(At(1))
    far.workgroup.is_slow = True
    stop = Cancellation()
    failures: list[Exception] = []
    thread = threading.Thread(target=partial(_noting, failures, lambda: far.catalogued().series(RATE, stop=stop)))
    thread.start()
    assert any(far.workgroup.executions for _ in patiently())
    stop.cancel()
    thread.join(60)
    (execution,) = far.workgroup.executions.values()
    assert execution.stopped.is_set()
    assert [type(failure) for failure in failures] == [Cancelled]


def _noting(failures: list[Exception], work: Callable[[], object]) -> None:
    try:
        work()
    except Exception as failure:  # noqa: BLE001 - for the test to see
        failures.append(failure)


def test_the_workgroup_allows_less(far: Far, near: Lake) -> None:
    near.add(*(At(n + 1) for n in range(50)))
    far.workgroup.scan_limit = 10
    with pytest.raises(LimitExceeded, match=r"reads more than the workgroup allows .*: ask for a shorter"):
        far.catalogued().series(RATE)


def test_a_column_that_is_not_there_yet(far: Far, near: Lake) -> None:
    near.add(At(1, attributes={"late": "x"}), At(2))
    q = "{} | count_over_time() by (span.late)"
    assert far.catalogued(without="span_late").series(q) == near.series(q, WHOLE)
    with pytest.raises(LimitExceeded, match="Athena cannot take it over: its table has no column span_late yet"):
        far.within(Limits(spans=1)).series(q)


def test_refusals_that_pass(far: Far, near: Lake) -> None:
    near.add(At(1, name="a"))
    far.workgroup.throttled = 2
    assert far.catalogued().series(RATE) == {("a",): (1.0, 0.0, 0.0)}
    far.workgroup.throttled = 100
    with pytest.raises(StorageUnavailable, match="cannot run a query in Athena: ThrottlingException"):
        far.series(RATE)


def test_more_blocks_than_can_be_named(near: Lake) -> None:
    (block,) = near.add(At(1))
    table = GlueTable("lake", "spans")
    blocks = [replace(block, id=f"{n:032x}") for n in range(MOST_BLOCKS + 1)]
    with pytest.raises(LimitExceeded, match="more than 6000 blocks"):
        table.rows(blocks, ["name"], row_id=False)
    text = table.rows(blocks[1:], ["name"], row_id=False).sql("athena")
    assert 2 * len(text.encode()) < 262_144
