"""Limits of each tenant: defaults and overrides in one TOML file.

``[defaults]`` has limits of every tenant, ``[tenants.NAME]`` those of one. A limit that is nowhere set is none, and the
limits of the whole process remain.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any

from spanlake.settings.kinds import Kind, count
from spanlake.settings.units import InvalidSetting, parse_age, parse_limit

_BYTES = Kind("SIZE", parse_limit)
_AGE = Kind("AGE", parse_age)
MAX_TENANTS = 10_000
Dimensions = tuple[tuple[str, str], ...]
"""Attributes by which usage is counted, each with the label of the metric that shows its values."""
_MOST_DIMENSIONS = 16
_TAKEN_LABELS = {"tenant", "tracker"}


@dataclass(frozen=True, slots=True)
class TenantLimits:
    """Limits of one tenant; None is no limit."""

    ingest_rate: int | None = None  # bytes of requests a second, decompressed, on average
    ingest_burst: int | None = None  # bytes of requests at once; None: ten seconds of the rate
    request_spans: int | None = None  # of one request; a request with more is refused
    attribute_bytes: int | None = None  # of an attribute's key or text; what is beyond is cut off
    attribute_columns: int | None = None  # of a day; attributes beyond them are kept beside the columns
    trace_bytes: int | None = None  # of one trace; spans beyond it are refused
    retention: timedelta | None = None  # age from which spans are refused
    query_range: timedelta | None = None  # of one search, metrics query or list of attributes
    query_spans: int | None = None  # in the blocks that one query reads
    query_bytes: int | None = None  # of the blocks that one query reads
    query_series: int | None = None  # of one metrics query
    query_concurrency: int | None = None  # queries that run at once
    athena_bytes: int | None = None  # that Athena reads for queries on one UTC day
    usage_attributes: Dimensions | None = None  # by which usage is counted; none is not counted
    usage_series: int | None = None  # of the usage that is counted

    @property
    def needs_sizes(self) -> bool:
        """True where a limit needs the size of each span."""
        return self.trace_bytes is not None or bool(self.usage_attributes)

    def of_acknowledged(self) -> "TenantLimits":
        """Return what still counts for spans that were acknowledged: nothing of it refuses any."""
        return TenantLimits(
            attribute_bytes=self.attribute_bytes,
            usage_attributes=self.usage_attributes,
            usage_series=self.usage_series,
        )

    def stricter(self, other: "TenantLimits") -> "TenantLimits":
        """Return the lower of each limit: that of a query over several tenants."""
        names = [each.name for each in fields(self)]
        return TenantLimits(**{name: _lower(getattr(self, name), getattr(other, name)) for name in names})

    def shown(self) -> dict[str, object]:
        """Return the limits that are set, as in the file; sizes in bytes, ages in seconds."""
        found = {_file_name(each.name): getattr(self, each.name) for each in fields(self)}
        return {name: _plain(value) for name, value in found.items() if value is not None}


def _lower(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


def _plain(value: Any) -> object:
    if isinstance(value, tuple):
        return dict(value)
    return value.total_seconds() if isinstance(value, timedelta) else value


def _dimensions(given: object) -> Dimensions:
    """Read the attributes of usage: a list of names, or a table of names and labels, as Tempo's dimensions.

    A name without a label, or with an empty one, has a label made of itself. Raises InvalidSetting.
    """
    named = dict.fromkeys(given, "") if isinstance(given, list) and all(isinstance(n, str) for n in given) else given
    if not isinstance(named, dict) or not all(isinstance(label, str) for label in named.values()):
        raise InvalidSetting(f'{given!r} names no attributes, as in ["service.name"] or {{"service.name" = "service"}}')
    if len(named) > _MOST_DIMENSIONS:
        raise InvalidSetting(f"it has {len(named)} attributes, at most {_MOST_DIMENSIONS} are allowed")
    found = tuple((name, _label(label or re.sub(r"^(resource|span)\.", "", name))) for name, label in named.items())
    if taken := _TAKEN_LABELS.intersection(label for _, label in found):
        raise InvalidSetting(f"the label {min(taken)} is the metric's own: choose another")
    return found


def _label(text: str) -> str:
    """Return a name of a label of Prometheus; other characters become underscores."""
    return re.sub(r"^[^a-zA-Z_]|[^a-zA-Z0-9_]", "_", text, flags=re.ASCII)


def _of_text(kind: Kind[Any]) -> Callable[[Any], Any]:
    return lambda value: kind.parse(str(value))


_KINDS: Mapping[str, Kind[Any]] = {
    "ingest_rate": _BYTES,
    "ingest_burst": _BYTES,
    "request_spans": count(),
    "attribute_bytes": _BYTES,
    "attribute_columns": count(),
    "trace_bytes": _BYTES,
    "retention": _AGE,
    "query_range": _AGE,
    "query_spans": count(),
    "query_bytes": _BYTES,
    "query_series": count(),
    "query_concurrency": count(),
    "athena_bytes": _BYTES,
    "usage_series": count(),
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    **{name: _of_text(kind) for name, kind in _KINDS.items()},
    "usage_attributes": _dimensions,
}
"""Reads the value of each limit as TOML has it; raises InvalidSetting."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """The limits of all tenants."""

    defaults: TenantLimits = field(default_factory=TenantLimits)
    tenants: Mapping[str, TenantLimits] = field(default_factory=dict)  # with the defaults in them

    def of(self, tenant: str) -> TenantLimits:
        """Return the limits of one tenant."""
        return self.tenants.get(tenant, self.defaults)

    def retention_of(self, tenant: str, usual: timedelta | None) -> timedelta | None:
        """Return the retention of a tenant: its own, or the usual one where that is shorter; None is any age."""
        found: timedelta | None = _lower(self.of(tenant).retention, usual)
        return found

    @property
    def has_retentions(self) -> bool:
        """True where a tenant has a retention of its own."""
        return any(limits.retention for limits in (self.defaults, *self.tenants.values()))

    def of_several(self, tenants: Iterable[str]) -> TenantLimits:
        """Return the limits of a query over tenants: the lowest of each."""
        found: TenantLimits | None = None
        for tenant in tenants:
            found = self.of(tenant) if found is None else found.stricter(self.of(tenant))
        return found or self.defaults


def parse_overrides(content: bytes) -> Overrides:
    """Read a file of limits; raises InvalidSetting."""
    try:
        found = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise InvalidSetting(f"the limits are not TOML: {error}") from None
    _check_names(found, {"defaults", "tenants"}, "a table")
    defaults = _limits(TenantLimits(), found.get("defaults", {}), "defaults")
    tenants = _table(found.get("tenants", {}), "tenants")
    if len(tenants) > MAX_TENANTS:
        raise InvalidSetting(f"the limits name {len(tenants)} tenants, at most {MAX_TENANTS} are allowed")
    return Overrides(defaults, {name: _limits(defaults, given, f"tenants.{name}") for name, given in tenants.items()})


def _limits(base: TenantLimits, given: Any, where: str) -> TenantLimits:
    readers = {_file_name(name): (name, read) for name, read in _READERS.items()}
    table = _table(given, where)
    _check_names(table, set(readers), f"a limit of {where}")
    values = {}
    for name, value in table.items():
        python_name, read = readers[name]
        try:
            values[python_name] = read(value)
        except InvalidSetting as error:
            raise InvalidSetting(f"{where}, {name}: {error}") from None
    return replace(base, **values)


def _table(given: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(given, dict):
        raise InvalidSetting(f"{where} is not a table, as in [{where}]")
    return given


def _check_names(given: Iterable[str], known: set[str], what: str) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise InvalidSetting(f"{unknown[0][:80]!r} is not {what}: there are {', '.join(sorted(known))}")


def _file_name(name: str) -> str:
    return name.replace("_", "-")
