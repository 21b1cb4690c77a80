"""Metrics: what is counted comes out in the Prometheus text format."""

from contextlib import suppress

from prometheus_client.parser import text_string_to_metric_families

from spanlake.telemetry.prometheus import Metrics, StoreTotals


def exposed(metrics: Metrics) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every sample by name and labels."""
    text, content_type = metrics.expose()
    assert content_type.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_is_counted() -> None:
    metrics = Metrics()
    metrics.request("grpc", "OK")
    metrics.request("grpc", "OK")
    metrics.received(spans=5, size=1000)
    metrics.rejected({"too_old": 2, "invalid_span_id": 1})
    metrics.duplicates(3)
    metrics.written(blocks=2, size=700)
    metrics.observe_flight(lambda: 42)
    metrics.observe_store(lambda: StoreTotals(blocks=7, spans=8, size=9))
    samples = exposed(metrics)
    assert samples["spanlake_ingest_requests_total", (("code", "OK"), ("protocol", "grpc"))] == 2
    assert samples["spanlake_ingest_spans_received_total", ()] == 5
    assert samples["spanlake_ingest_bytes_received_total", ()] == 1000
    assert samples["spanlake_ingest_spans_rejected_total", (("reason", "too_old"),)] == 2
    assert samples["spanlake_ingest_spans_rejected_total", (("reason", "invalid_span_id"),)] == 1
    assert samples["spanlake_ingest_requests_repeated_total", ()] == 3
    assert samples["spanlake_blocks_written_total", ()] == 2
    assert samples["spanlake_blocks_written_bytes_total", ()] == 700
    assert samples["spanlake_ingest_in_flight_bytes", ()] == 42
    assert samples["spanlake_blocks", ()] == 7
    assert samples["spanlake_stored_spans", ()] == 8
    assert samples["spanlake_stored_bytes", ()] == 9


def test_what_is_timed() -> None:
    metrics = Metrics()
    with metrics.time_query("/api/search"):
        pass
    with metrics.time_commit():
        pass
    samples = exposed(metrics)
    assert samples["spanlake_query_duration_seconds_count", (("endpoint", "/api/search"),)] == 1
    assert samples["spanlake_commit_duration_seconds_count", ()] == 1


def test_a_query_that_fails_is_timed_too() -> None:
    metrics = Metrics()
    with suppress(LookupError), metrics.time_query("/api/search"):
        raise LookupError
    assert exposed(metrics)["spanlake_query_duration_seconds_count", (("endpoint", "/api/search"),)] == 1


def test_the_process_is_told_about() -> None:
    names = {name for name, _ in exposed(Metrics())}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "python_info"} <= names


def test_two_in_one_process_do_not_share() -> None:
    one, other = Metrics(), Metrics()
    one.received(spans=5, size=5)
    assert exposed(other)["spanlake_ingest_spans_received_total", ()] == 0
