"""A short run of the fuzzer, always on the same inputs; `make fuzz-input` makes longer ones."""

import logging
from collections.abc import Iterator, Mapping

import pytest

from tests.scenarios.hostile.fuzz import fuzz
from tests.scenarios.hostile.targets import Fuzzed, targets

NAMES = (
    *("otlp-proto", "otlp-json", "zipkin-v2-json", "zipkin-v2-proto", "zipkin-v1-json", "zipkin-v1-thrift"),
    *("jaeger-http", "jaeger-binary", "jaeger-compact", "jaeger-grpc", "opencensus", "census stream"),
    *("coding gzip", "coding deflate", "coding zstd", "coding snappy", "coding x-snappy-framed", "coding lz4"),
    *("file", "traceql", "question", "parameters", "credentials", "http", "frames"),
)


@pytest.fixture(scope="module")
def every(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Fuzzed]]:
    logging.disable(logging.CRITICAL)
    with targets(tmp_path_factory.mktemp("fuzz") / "data") as found:
        yield found
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", NAMES)
def test_random_input_breaks_nothing(every: Mapping[str, Fuzzed], name: str) -> None:
    assert set(every) == set(NAMES)
    assert fuzz(name, every[name], seed=20, inputs=250).faults == []
