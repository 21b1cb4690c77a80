"""Tests the sums of the workers' metrics."""

import json

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from spanlake.telemetry.prometheus import Metrics
from spanlake.workers.figures import Figures


def counted(*, requests: int, size: int, commits: int = 0) -> Figures:
    """Returns the figures of a worker with that history."""
    metrics = Metrics()
    for _ in range(requests):
        metrics.request("grpc", "OK")
        metrics.request("grpc", 'odd "code"\n')
    for _ in range(commits):
        with metrics.time_commit():
            pass
    metrics.observe_flight(lambda: size)
    return sent(Figures.of(metrics))


def sent(figures: Figures) -> Figures:
    """Returns the figures after JSON, as another process receives them."""
    return Figures.from_json(json.loads(json.dumps(figures.to_json())))


def values(figures: Figures) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample, as Prometheus reads it."""
    text, _ = figures.expose()
    families = text_string_to_metric_families(text.decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


OK = ("spanlake_ingest_requests_total", (("code", "OK"), ("protocol", "grpc")))
ODD = ("spanlake_ingest_requests_total", (("code", 'odd "code"\n'), ("protocol", "grpc")))
FLIGHT = ("spanlake_ingest_in_flight_bytes", ())
COMMITS = ("spanlake_commit_duration_seconds_count", ())
BELOW_A_MINUTE = ("spanlake_commit_duration_seconds_bucket", (("le", "60.0"),))


def test_figures_sum_counters_histograms_and_gauges() -> None:
    total = Figures()
    total.add(counted(requests=3, size=10, commits=1))
    total.add(counted(requests=4, size=20, commits=2))
    assert {series: values(total)[series] for series in (OK, ODD, FLIGHT, COMMITS, BELOW_A_MINUTE)} == {
        OK: 7,
        ODD: 7,
        FLIGHT: 30,
        COMMITS: 3,
        BELOW_A_MINUTE: 3,
    }


def test_figures_of_dead_worker_keep_counters_without_gauges() -> None:
    total = Figures()
    total.add(counted(requests=3, size=10, commits=1), lasting=True)
    assert {OK: 3, COMMITS: 1}.items() <= values(total).items()
    assert FLIGHT not in values(total)


def test_figures_do_not_sum_values_that_are_no_amounts() -> None:
    one, total = counted(requests=0, size=0), Figures()
    total.add(one)
    total.add(one)
    for name in ("process_start_time_seconds", "python_info"):
        (series,) = [series for series in values(one) if series[0] == name]
        assert values(total)[series] == values(one)[series]


def test_figures_of_one_worker_equal_those_of_a_server() -> None:
    metrics = Metrics()
    metrics.request("grpc", "OK")
    text, media_type = metrics.expose()
    exposed, same_type = sent(Figures.of(metrics)).expose()
    assert media_type == same_type
    assert [line for line in exposed.splitlines() if b"spanlake" in line] == [
        line for line in text.splitlines() if b"spanlake" in line
    ]


def test_figures_include_supervisors_own() -> None:
    total = Figures()
    total.note("spanlake_edge_workers_replaced", "Workers.", "counter", 2)
    total.note("spanlake_edge_workers", "Workers.", "gauge", 3)
    assert values(total) == {("spanlake_edge_workers_replaced_total", ()): 2, ("spanlake_edge_workers", ()): 3}


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=12))
def test_figures_sum_never_falls_when_workers_die(history: list[tuple[int, bool]]) -> None:
    """Each step counts something at one worker, and may be its end."""
    metrics, former, seen = Metrics(), Figures(), 0.0
    for requests, dies in history:
        for _ in range(requests):
            metrics.request("grpc", "OK")
        if dies:
            former.add(Figures.of(metrics), lasting=True)
            metrics = Metrics()
        total = Figures()
        total.add(Figures.of(metrics))
        total.add(former)
        now = values(total).get(OK, 0)
        assert now == seen + requests
        seen = now
