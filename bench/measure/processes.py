"""Reads CPU time and memory of processes from the kernel."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PEAK = "5"
"""Value that resets the peak of the resident size in clear_refs: proc_pid_clear_refs(5)."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """CPU time and peak memory of a process and its children since they started."""

    cpu_seconds: float
    """User and system time."""
    peak_memory: int
    """Highest resident size in bytes since the start, or since it was last forgotten, added up over the processes."""


def usage(pid: int) -> Usage:
    """Returns the usage of a process and its children so far."""
    processes = list(_family(pid))
    return Usage(sum(map(_cpu_seconds, processes)), sum(map(_peak_memory, processes)))


def forget_peak_memory(pid: int) -> None:
    """Begins anew to look for the peak of the memory of a process and its children, at what they use now."""
    for process in _family(pid):
        Path(f"/proc/{process}/clear_refs").write_text(_PEAK)


def _family(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in _children(task):
            yield from _family(int(child))


def _children(task: Path) -> list[str]:
    try:
        return (task / "children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
        return []


def _cpu_seconds(pid: int) -> float:
    """Of a process and the children it has waited for: fields 14 to 17 of proc_pid_stat(5)."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / _TICKS


def _peak_memory(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
