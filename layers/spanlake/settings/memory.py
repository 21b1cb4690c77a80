"""Memory of the machine or its control groups, and the defaults that follow from it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spanlake.settings.model import Config, IngestLimits, QueryLimits
from spanlake.settings.units import MIB

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_MEMORY = Path("/proc/meminfo")
_FLIGHT_SHARE = 10  # of the memory, for requests as they are sent: they take several times as much when decoded
_BODY_SHARE = 20
_QUERY_SHARE = 6
_LEAST_FLIGHT, _LEAST_QUERY = 16 * MIB, 64 * MIB


def memory_bytes(groups: Path = _CGROUPS, own: Path = _OWN_GROUPS, machine: Path = _MEMORY) -> int:
    """Return the memory that this process may use: that of the machine, or of its control groups if less.

    See "memory.max" in the kernel's cgroup-v2.rst; version 1 has ``memory.limit_in_bytes``. Where the system does not
    tell, 8 GiB.
    """
    found = [limit for folder in _folders(groups, own) if (limit := _limit(folder)) is not None]
    for line in _read(machine).splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal":
            found.append(int(rest.split()[0]) << 10)
    return min(found, default=8192 * MIB)


def fitted(config: Config, memory: int) -> Config:
    """Return the settings with smaller limits where the defaults do not fit into this memory.

    A limit that an operator has set is kept.
    """
    return replace(config, ingest=_ingest(config.ingest, memory), query=_query(config.query, memory))


def _ingest(limits: IngestLimits, memory: int) -> IngestLimits:
    usual = IngestLimits()
    if limits.flight_bytes != usual.flight_bytes:
        return limits
    flight = min(limits.flight_bytes, max(memory // _FLIGHT_SHARE, _LEAST_FLIGHT))
    if limits.body_bytes != usual.body_bytes:
        return replace(limits, flight_bytes=max(flight, limits.body_bytes))
    body = min(limits.body_bytes, max(memory // _BODY_SHARE, _LEAST_FLIGHT // 2))
    return replace(limits, flight_bytes=flight, body_bytes=body)


def _query(limits: QueryLimits, memory: int) -> QueryLimits:
    if limits.memory_bytes != QueryLimits().memory_bytes:
        return limits
    return replace(limits, memory_bytes=min(limits.memory_bytes, max(memory // _QUERY_SHARE, _LEAST_QUERY)))


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the process' groups that may limit it; in a container the names may be those of the host."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        for root in (groups / "memory", groups) if controllers else (groups, groups / "unified"):
            folder = root / path.lstrip("/")
            yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(root)))


def _limit(folder: Path) -> int | None:
    """Return the limit of a group in bytes; None without one."""
    text = _read(folder / "memory.max") or _read(folder / "memory.limit_in_bytes")
    return int(text) if text.isdigit() else None


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
