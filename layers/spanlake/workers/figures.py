"""Sums of the metrics of all workers.

Counters and histograms add up, and so do most gauges, as they count resources of a process. The counts of a worker that
has ended remain part of the sum: otherwise the sum would fall, and Prometheus would take that for a restart and count
everything again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from spanlake.telemetry.prometheus import Metrics, exposed

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Labels = tuple[tuple[str, str], ...]

_KEPT = {"counter", "histogram"}
_TOGETHER: Mapping[str, Callable[[float, float], float]] = {
    "process_start_time_seconds": min,
    "python_info": max,
}
"""Gauges that are combined in other ways than by addition."""


class Figures:
    """Families of metrics and their values at one time."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, str]] = {}  # documentation and type by name
        self._values: dict[str, dict[tuple[str, Labels], float]] = {}

    def note(self, name: str, documentation: str, type_: str, value: float) -> None:
        """Add the value of a metric without labels, which is a gauge or a counter."""
        self._add(name, documentation, type_, [(f"{name}_total" if type_ == "counter" else name, (), value)])

    def add(self, other: "Figures", *, lasting: bool = False) -> None:
        """Add the metrics of other figures; with ``lasting`` only those that remain after their process has ended."""
        for name, (documentation, type_) in other._families.items():
            if not lasting or type_ in _KEPT:
                samples = ((sample, labels, value) for (sample, labels), value in other._values[name].items())
                self._add(name, documentation, type_, samples)

    def _add(self, name: str, documentation: str, type_: str, samples: Iterable[tuple[str, Labels, float]]) -> None:
        self._families[name] = documentation, type_
        values = self._values.setdefault(name, {})
        for sample, labels, value in samples:
            known = values.get((sample, labels))
            values[sample, labels] = value if known is None else _together(name, known, value)

    @classmethod
    def of(cls, metrics: Metrics) -> "Figures":
        """Read the metrics of this process."""
        figures = cls()
        for family in metrics.collect():
            samples = [(each.name, tuple(sorted(each.labels.items())), each.value) for each in family.samples]
            figures._add(family.name, family.documentation, family.type, samples)
        return figures

    def total(self, sample: str, counts: Callable[[Mapping[str, str]], bool] = lambda _: True) -> float:
        """Return the sum of a sample's values over the labels that count; 0 where there is none."""
        return sum(
            value
            for values in self._values.values()
            for (name, labels), value in values.items()
            if name == sample and counts(dict(labels))
        )

    def to_json(self) -> list[Any]:
        """Convert the metrics to JSON, for ``from_json`` in another process."""
        return [
            [name, *about, [[sample, labels, value] for (sample, labels), value in self._values[name].items()]]
            for name, about in self._families.items()
        ]

    @classmethod
    def from_json(cls, families: Iterable[Any]) -> "Figures":
        """Read the result of ``to_json``."""
        figures = cls()
        for name, documentation, type_, values in families:
            samples = [(sample, tuple((key, text) for key, text in labels), value) for sample, labels, value in values]
            figures._add(name, documentation, type_, samples)
        return figures

    def collect(self) -> "Iterable[Metric]":
        """Yield the metrics in the form of Prometheus' library."""
        from prometheus_client.metrics_core import Metric

        for name, (documentation, type_) in self._families.items():
            family = Metric(name, documentation, type_)
            for (sample, labels), value in self._values[name].items():
                family.add_sample(sample, dict(labels), value)
            yield family

    def expose(self) -> tuple[bytes, str]:
        """Return all metrics but usage in the Prometheus text format, and its content type."""
        return exposed(self, is_usage=False)

    def expose_usage(self) -> tuple[bytes, str]:
        """Return the metric of usage in the Prometheus text format, and its content type."""
        return exposed(self, is_usage=True)


def _together(name: str, one: float, other: float) -> float:
    return _TOGETHER[name](one, other) if name in _TOGETHER else one + other
