import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Message

from spanlake.cli.client.trace import Span
from spanlake.cli.render.terminal import ASCII, UNICODE
from spanlake.cli.render.waterfall import TimeLine

LINE = TimeLine(1000, 1080, 10)  # an eighth of a cell is 1 ns


def timed(start: int, end: int) -> Span:
    return Span(Message(start_time_unix_nano=start, end_time_unix_nano=end), "", Resource(), InstrumentationScope())


@pytest.mark.parametrize(
    ("start", "end", "drawn"),
    [
        (0, 80, "██████████"),
        (0, 40, "█████"),
        (0, 12, "█▌"),
        (4, 16, "▐█"),
        (7, 9, "▕▏"),
        (8, 9, " ▏"),
        (12, 16, " ▐"),
        (13, 14, " ▐"),
        (16, 16, "  ▏"),
        (80, 80, "         ▕"),
        (20, 10, "  ▐"),
    ],
)
def test_bar_draws_span_to_scale(start: int, end: int, drawn: str) -> None:
    assert LINE.bar(timed(1000 + start, 1000 + end), UNICODE) == drawn.ljust(10)


def test_bar_is_ascii_without_unicode() -> None:
    assert LINE.bar(timed(1008, 1030), ASCII) == " ###      "


def test_bar_of_span_without_start_is_blank() -> None:
    assert LINE.bar(timed(0, 1080), UNICODE) == " " * 10


TIMES = st.integers(0, 2**64 - 1) | st.integers(1000, 1100)


@given(st.lists(st.tuples(TIMES, TIMES), min_size=1), st.integers(10, 200))
def test_bar_fits_and_is_visible(times: list[tuple[int, int]], cells: int) -> None:
    spans = [timed(*pair) for pair in times]
    line = TimeLine.of(spans, cells)
    for span in spans:
        bar = line.bar(span, UNICODE)
        assert len(bar) == cells
        assert bool(bar.strip()) == bool(span.start_ns)
    assert line.axis().cell_len == cells


@pytest.mark.parametrize(
    ("cells", "shown"),
    [
        (10, "0s     1µs"),
        (32, "0s              500ns        1µs"),
        (64, "0s              250ns           500ns           750ns        1µs"),
    ],
)
def test_axis_shows_ends_of_time_line(cells: int, shown: str) -> None:
    assert TimeLine(5, 1005, cells).axis().plain == shown
