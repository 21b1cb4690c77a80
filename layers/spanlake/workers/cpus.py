"""Number of processors that this process may use."""

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")


def cpus(groups: Path = _CGROUPS, own: Path = _OWN_GROUPS) -> int:
    """Return the number of processors that the process may use.

    These are those of its CPU affinity, or its control groups' whole processors if fewer. At least 1. See
    sched_getaffinity(2), and "cpu.max" in the kernel's cgroup-v2.rst; version 1 has two files for it.
    """
    allowed = [quota for folder in _folders(groups, own) if (quota := _quota(folder)) is not None]
    return max(1, int(min([len(os.sched_getaffinity(0)), *allowed])))


def _folders(groups: Path, own: Path) -> Iterator[Path]:
    """Yield the folders of the process' groups that may limit it; in a container the names may be those of the host."""
    for line in _read(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        for root in (groups / "cpu", groups) if controllers else (groups, groups / "unified"):
            folder = root / path.lstrip("/")
            yield from (folder, *(parent for parent in folder.parents if parent.is_relative_to(root)))


def _quota(folder: Path) -> float | None:
    """Return the processor time of a group, in processors; None without a limit."""
    quota, _, period = _read(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
    try:
        share = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):  # "max", or an empty file
        return None
    return share if share > 0 else None  # -1 in version 1: no limit


def _read(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:
        return ""
