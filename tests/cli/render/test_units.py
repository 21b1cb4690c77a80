"""Values of metrics queries with their units."""

import math

import pytest

from spanlake.cli.render.units import unit_of

CASES = [
    ("{} | rate()", 0.25, "0.25/s"),
    ("{} | rate() by (name) | topk(3)", 12.0, "12/s"),
    ("{} | count_over_time()", 12.0, "12"),
    ("{} | quantile_over_time(duration, .9)", 1.5, "1.5s"),
    ("{} | avg_over_time(duration) > 1ms", 0.0973, "97.3ms"),
    ("{} | max_over_time(traceDuration)", 90.0, "1m30s"),
    ("{} | min_over_time(event:timeSinceStart)", 0.000002, "2µs"),
    ("{} | sum_over_time(span.http.response.body.size)", 97_300.0, "97.3 kB"),
    ("{} | sum_over_time(span.queue.size)", 97_300.0, "97,300"),
    ("{} | avg_over_time(duration)", math.nan, "nan"),
    ("{} | avg_over_time(duration)", math.inf, "inf"),
    ("{} | max_over_time(duration)", 1e300, "1.000e+300"),
    ("{} | sum_over_time(span.read.bytes)", -5.0, "-5"),
    ("{} | compare({ status = error })", 3.0, "3"),
    ("({} | rate()) / ({} | rate())", 0.5, "0.5"),
    ("no query", 0.5, "0.5"),
]


@pytest.mark.parametrize(("traceql", "value", "written"), CASES, ids=[case[0] for case in CASES])
def test_values_are_written_with_the_unit_that_the_query_tells(traceql: str, value: float, written: str) -> None:
    assert unit_of(traceql)(value) == written
