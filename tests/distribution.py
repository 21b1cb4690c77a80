"""The order of test files and the process of each: what starts slowly is started once, what is long comes first."""

from collections.abc import Mapping, Sequence

import pytest
from xdist.scheduler import LoadFileScheduling

TOGETHER: Mapping[str, str] = {
    "tests/aws/end_to_end/": "functions",  # share a deployment
    "tests/infra/": "templates",  # share deployments and SAM's transform
    "tests/web/": "browser",
    "tests/query/engine/athena/": "trino",
    "tests/scenarios/conformance/test_athena.py": "trino",
    "tests/scenarios/documents/test_athena_document.py": "trino",
}
"""Beginnings of paths, and the name of what their tests share."""

LONGEST_FIRST = (
    "tests/aws/end_to_end/",
    "tests/infra/",
    "tests/scenarios/faults/",
    "tests/scenarios/conformance/test_athena.py",
    "tests/scenarios/chaos/",
    "tests/scenarios/",
    "tests/web/",
    "tests/aws/",
    "tests/edge/",
    "tests/server/",
    "tests/cli/",
    "tests/store/",
    "tests/query/",
    "tests/layers/",
    "tests/test_",
)
"""Beginnings of paths; all other files come last, so that the processes end at about the same time."""


class SharedParts(LoadFileScheduling):  # type: ignore[misc]
    """Gives a process whole files, in the order in which they were collected, and all files that share something."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # by the number of tests

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((name for start, name in TOGETHER.items() if file.startswith(start)), file)


def place(nodeid: str) -> int:
    """Return the place of a test among others, by its file."""
    return next((at for at, start in enumerate(LONGEST_FIRST) if nodeid.startswith(start)), len(LONGEST_FIRST))


def put_longest_first(items: list[pytest.Item]) -> None:
    """Sort tests in place; those of a file stay together and in order."""
    items.sort(key=lambda item: place(item.nodeid))


def unknown(starts: Sequence[str], files: Sequence[str]) -> list[str]:
    """Return the beginnings of paths that no file has."""
    return [start for start in starts if not any(file.startswith(start) for file in files)]
