"""Every recorded request to Tempo 3.1, asked of functions behind an HTTP API, before and after compaction."""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from spanlake.store.maintenance.compaction_plan import plan
from tests.aws.end_to_end.kit import blocks, send, speaking_for
from tests.aws.local.stack import Stack
from tests.recorded import answers as recorded_answers
from tests.recorded import bodies, checker
from tests.scenarios.conformance.test_compacted import pieces
from tests.scenarios.conformance.test_right import requests
from tests.server_process import patiently

Answers = Mapping[int, tuple[int, Any]]  # status and content, by the number of the request

_TOGETHER = 8  # of the data set's requests, sent as one: protobuf's messages are merged by standing side by side
_EVERY = 12  # of the recorded requests, asked again


@pytest.fixture(scope="module")
def answers(stack: Stack) -> Answers:
    """Returns the answers to all recorded requests."""
    _store(stack, "conformance", _joined(list(bodies())))
    return _ask(stack, "conformance", recorded_answers())


@pytest.fixture(scope="module")
def answers_of_compacted(stack: Stack) -> Answers:
    """Returns the answers to repeated requests when the spans came in small requests and have been merged since."""
    _store(stack, "compacted", (piece for body in bodies() for piece in pieces(body)))
    assert any(_is_compacted(stack) for _ in patiently()), stack.log("compact")
    return _ask(stack, "compacted", [param.values[0] for param in repeated()])


def repeated() -> list[Any]:
    """The requests that are asked again.

    Numbers in the tree are not: those of spans that start together follow the order in which their blocks came, which
    is another when some have been merged.
    """
    return [param for param in requests()[::_EVERY] if "nestedSet" not in param.values[0]["params"].get("q", "")]


def _is_compacted(stack: Stack) -> bool:
    return not plan(blocks(stack, "compacted"), time.time_ns())


def _joined(requests: list[bytes]) -> Iterable[bytes]:
    return (b"".join(requests[at : at + _TOGETHER]) for at in range(0, len(requests), _TOGETHER))


def _store(stack: Stack, tenant: str, requests: Iterable[bytes]) -> None:
    """Stores the requests in sequence: the order of arrival decides between spans that start together."""
    for request in requests:
        assert send(stack, tenant, request).status == 200


def _ask(stack: Stack, tenant: str, rows: list[Any]) -> Answers:
    with speaking_for(tenant), ThreadPoolExecutor(stack.plan.most) as threads:
        got = threads.map(partial(checker().ask, stack.url), rows)
        return {row["id"]: answer for row, answer in zip(rows, got, strict=True)}


def _compare(row: Mapping[str, Any], answer: tuple[int, Any]) -> None:
    check = checker()
    assert check.diff(row, row["want"], check.normal(row, *answer)) is None


@pytest.mark.parametrize("row", requests())
def test_answer_is_tempos(answers: Answers, row: dict[str, Any]) -> None:
    _compare(row, answers[row["id"]])


@pytest.mark.parametrize("row", repeated())
def test_answer_is_the_same_after_compaction(answers_of_compacted: Answers, row: dict[str, Any]) -> None:
    _compare(row, answers_of_compacted[row["id"]])
