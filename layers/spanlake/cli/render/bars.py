"""Bars on the time line of a trace."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.text import Text

from spanlake.cli.client.trace import Span
from spanlake.cli.render.numbers import duration
from spanlake.cli.render.terminal import Glyphs

_EIGHTHS = 8
_TICK_CELLS = 16  # minimum distance between times of the axis


@dataclass(frozen=True, slots=True)
class TimeLine:
    """The duration of a trace divided into cells."""

    start_ns: int
    end_ns: int
    cells: int

    @classmethod
    def of(cls, spans: Iterable[Span], cells: int) -> "TimeLine":
        """Make the time line from the first start to the last end; spans without a start are ignored."""
        timed = [span for span in spans if span.start_ns]
        start = min((span.start_ns for span in timed), default=0)
        end = max((span.start_ns + max(span.duration_ns, 0) for span in timed), default=0)
        return cls(start, end, cells)

    @property
    def length_ns(self) -> int:
        """The length of the time line."""
        return self.end_ns - self.start_ns

    def bar(self, span: Span, glyphs: Glyphs) -> str:
        """Draw a span's bar in as many cells as the line has, precise to an eighth of a cell, and never invisible."""
        if not span.start_ns:
            return " " * self.cells
        first = min(self._eighths(span.start_ns), self.cells * _EIGHTHS - 1)
        last = max(first + 1, self._eighths(span.start_ns + span.duration_ns))
        return _bar(first, last, glyphs).ljust(self.cells)

    def axis(self) -> Text:
        """Draw times since the start, at even distances."""
        ticks = max(1, min(4, self.cells // _TICK_CELLS))
        text = Text()
        for tick in range(ticks):
            text.append(duration(self.length_ns * tick // ticks))
            text.pad_right(self.cells * (tick + 1) // ticks - text.cell_len)
        end = duration(self.length_ns)
        text.right_crop(min(len(end), len(text)))
        return text.append(end)

    def _eighths(self, moment_ns: int) -> int:
        return (moment_ns - self.start_ns) * self.cells * _EIGHTHS // (self.length_ns or 1)


def _bar(first: int, last: int, glyphs: Glyphs) -> str:
    """Draw a bar from one eighth to another, counted from the left."""
    cell, into = divmod(first, _EIGHTHS)
    end_cell, end_into = divmod(last, _EIGHTHS)
    if last <= (cell + 1) * _EIGHTHS:
        right = end_into == 0 or into >= _EIGHTHS // 2
        return " " * cell + (glyphs.starts[into] if right else glyphs.ends[end_into])
    end = glyphs.ends[end_into] if end_into else ""
    return " " * cell + glyphs.starts[into] + glyphs.ends[-1] * (end_cell - cell - 1) + end
