"""Directories whose existence survives a power cut."""

import os
from pathlib import Path


def make_directories(directory: Path) -> None:
    """Create a directory with the parents it lacks, and make durable that they are there; raises OSError."""
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    for path in missing:
        sync(path.parent)


def sync(directory: Path) -> None:
    """Make durable which names stand in a directory; raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
