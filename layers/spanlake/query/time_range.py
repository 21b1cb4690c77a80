"""Time ranges, the steps of a metrics query, and the step that a span counts for."""

from dataclasses import dataclass

from sqlglot import exp

from spanlake.query.compile import sql
from spanlake.query.compile.sql import Sql
from spanlake.query.limits import LimitExceeded

SECOND_NS = 1_000_000_000
_MINUTE_NS, _HOUR_NS = 60 * SECOND_NS, 3600 * SECOND_NS
_POINTS = 240  # of a query that names no step: an hour in steps of 15 s
_STEP_GRAINS_NS = (_HOUR_NS, 5 * _MINUTE_NS, _MINUTE_NS, 15 * SECOND_NS, 5 * SECOND_NS, SECOND_NS)
_SHORT_GRAIN_NS = 50_000_000  # of a range below a minute


@dataclass(frozen=True)
class Steps:
    """Points from ``first_ns`` to ``last_ns``, both included, ``step_ns`` apart.

    A point stands for the step that ends in it: a span counts for the first point that is not before its start, the
    first point for a whole step, too. ``instant`` asks for one value instead, over the time from ``first_ns``, that
    moment not included, to ``last_ns``.
    """

    first_ns: int
    last_ns: int
    step_ns: int
    instant: bool = False

    @classmethod
    def aligned(cls, start_ns: int, end_ns: int, step_ns: int | None, most: int) -> "Steps":
        """Return the points of a range, on multiples of the step as in Tempo. Raises LimitExceeded for too many."""
        step_ns = step_ns or default_step(start_ns, end_ns)
        steps = cls(start_ns // step_ns * step_ns, -(-end_ns // step_ns) * step_ns, step_ns)
        if steps.count > most:
            raise LimitExceeded(
                f"the query asks for {steps.count} steps, more than {most}: ask for a longer step or a shorter range"
            )
        return steps

    @classmethod
    def whole(cls, start_ns: int, end_ns: int) -> "Steps":
        """Make steps with one value for a range."""
        return cls(start_ns, end_ns, max(end_ns - start_ns, 1), instant=True)

    @property
    def since_ns(self) -> int:
        """The earliest start of a span that counts."""
        return self.first_ns + 1 - (0 if self.instant else self.step_ns)

    @property
    def count(self) -> int:
        """Number of points."""
        return 1 if self.instant else (self.last_ns - self.first_ns) // self.step_ns + 1

    @property
    def seconds(self) -> float:
        """Length of a step in seconds."""
        return self.step_ns / SECOND_NS

    def position(self, time_ns: int) -> int:
        """Return the number of the first point that is not before a time of the range."""
        return 0 if self.instant else (time_ns - self.first_ns + self.step_ns - 1) // self.step_ns

    def at_ms(self, position: int) -> int:
        """Return a point, in Unix milliseconds."""
        return (self.first_ns + position * self.step_ns) // 1_000_000


def default_step(start_ns: int, end_ns: int) -> int:
    """Return the step of a query that names none, as in Tempo: it makes about 240 points.

    It is rounded down to a multiple of the largest grain that is smaller, and at least the smallest.
    """
    length, wanted = end_ns - start_ns, (end_ns - start_ns) // _POINTS
    grains = (_SHORT_GRAIN_NS,) if length < _MINUTE_NS else _STEP_GRAINS_NS
    return next((wanted // grain * grain for grain in grains if wanted > grain), grains[-1])


def inside(steps: Steps, start: Sql) -> Sql:
    """Return the test that a span which starts then counts."""
    return exp.Between(this=start, low=sql.number(steps.since_ns), high=sql.number(steps.last_ns))


def position(steps: Steps, start: Sql) -> Sql:
    """Return the number of the first point that is not before the start."""
    if steps.instant:
        return exp.Literal.number(0)
    since = exp.paren(start - sql.number(steps.since_ns))
    return exp.IntDiv(this=since, expression=sql.number(steps.step_ns))


_FIRST_NS, _LAST_NS = 0, 2**63 - 1


@dataclass(frozen=True)
class TimeRange:
    """An inclusive range of Unix nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def is_all(self) -> bool:
        """True where the range leaves out nothing."""
        return self.start_ns <= _FIRST_NS and self.end_ns >= _LAST_NS
