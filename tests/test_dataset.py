"""`spanlake.open`: a store as Arrow tables."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

import spanlake
from spanlake.dataset import Dataset
from spanlake.query.engine.sql_session import InvalidStatement
from spanlake.store.errors import InvalidTenant, StoreError
from spanlake.traceql import TraceQLError
from tests.cli.spans import ID
from tests.cli.test_explore import shop_request
from tests.server_process import SpanlakeServer


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that has ended, with one trace of the shop."""
    data = tmp_path_factory.mktemp("dataset") / "data"
    server = SpanlakeServer(data)
    try:
        server.wait_until_ready()
        assert server.post_traces(shop_request(ID)).status == 200
    finally:
        server.stop()
    return data


@pytest.fixture
def dataset(directory: Path) -> Iterator[Dataset]:
    with spanlake.open(directory) as opened:
        yield opened


def test_search_has_a_row_for_each_span_and_a_column_for_each_attribute(dataset: Dataset) -> None:
    found = dataset.query("{ span.http.status_code = 200 } | select(resource.service.name)")
    row = found.select(["trace_id", "name", "root_service", "http.status_code", "service.name"]).to_pylist()
    assert row == [
        {
            "trace_id": ID,
            "name": "SELECT carts",
            "root_service": "frontend",
            "http.status_code": 200,
            "service.name": "cart",
        }
    ]
    assert found.schema.field("duration").type == pa.duration("ns")
    assert found.column("duration").cast(pa.int64()).to_pylist() == [200_000_000]


def test_search_without_results_has_the_same_columns(dataset: Dataset) -> None:
    found = dataset.query("{ name = `nothing` }")
    assert (found.num_rows, found.column_names[:3]) == (0, ["trace_id", "span_id", "name"])


def test_search_reads_the_range_alone(dataset: Dataset) -> None:
    day = datetime(2020, 1, 1, tzinfo=UTC)
    assert dataset.query("{}", start=day, end=day + timedelta(days=1)).num_rows == 0
    assert dataset.query("{}", start=datetime.now(UTC) - timedelta(hours=1)).num_rows == 5


def test_metrics_without_step_are_one_value_a_series(dataset: Dataset) -> None:
    found = dataset.query("{} | count_over_time() by (resource.service.name)")
    counts = dict(zip(*(found.column(name).to_pylist() for name in ("resource.service.name", "value")), strict=True))
    assert counts == {"frontend": 2, "cart": 1, "payment": 2}


def test_metrics_with_step_have_a_row_for_each_point(dataset: Dataset) -> None:
    found = dataset.query("{} | count_over_time()", step=timedelta(seconds=1))
    assert sum(value or 0 for value in found.column("value").to_pylist()) == 5
    assert found.schema.field("time").type == pa.timestamp("ns", tz="UTC")


def test_trace_has_all_spans(dataset: Dataset) -> None:
    trace = dataset.trace(ID)
    assert trace is not None
    assert trace.num_rows == 5
    assert dataset.trace("2" * 32) is None


def test_tags_and_values_are_listed(dataset: Dataset) -> None:
    assert dataset.tags()["span"] == ["db.system", "http.status_code"]
    assert dataset.values("resource.service.name") == ["cart", "frontend", "payment"]


def test_sql_reads_the_view_of_spans(dataset: Dataset) -> None:
    assert dataset.sql("SELECT count(*) AS n FROM spans").to_pylist() == [{"n": 5}]
    with pytest.raises(InvalidStatement, match="nothing"):
        dataset.sql("SELECT nothing FROM spans")


def test_errors_are_named(directory: Path, tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(TraceQLError):
        dataset.query("{ name = }")
    with pytest.raises(StoreError, match=r"holds no index\.sqlite"):
        spanlake.open(tmp_path)
    with pytest.raises(InvalidTenant):
        spanlake.open(directory, tenant="a/b")
    with spanlake.open(directory, tenant="nobody") as empty, pytest.raises(StoreError, match="has no spans"):
        empty.sql("SELECT 1 FROM spans")
