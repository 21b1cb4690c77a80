"""Functions whose processes end while they work: what is acknowledged is there, and nothing is there twice."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor

from tests.aws.end_to_end.kit import get, killing, send
from tests.aws.local.stack import Stack
from tests.payloads import export_request
from tests.server_process import patiently

REQUESTS = 30
KILLS = 3


def send_until_acknowledged(stack: Stack, number: int) -> int:
    """Tries again as exporters do; says how often it was refused."""
    body = export_request(f"span {number}").SerializeToString()
    for refused in itertools.count():
        answer = send(stack, "killed", body)
        if answer.status == 200:
            return refused
        assert answer.status == 500
    raise AssertionError


def test_what_is_acknowledged_is_there_once(stack: Stack) -> None:
    with killing(stack, "ingest", KILLS), ThreadPoolExecutor(2) as senders:
        refused = sum(senders.map(lambda number: send_until_acknowledged(stack, number), range(REQUESTS)))
    assert refused >= 1
    assert sorted(span_names(stack)) == sorted(f"span {number}" for number in range(REQUESTS))


def span_names(stack: Stack) -> list[str]:
    batches = json.loads(get(stack, "killed", f"/api/traces/{(b't' * 16).hex()}").body)["batches"]
    return [span["name"] for batch in batches for scope in batch["scopeSpans"] for span in scope["spans"]]


def test_a_query_that_is_killed_is_answered_when_it_is_asked_again(stack: Stack) -> None:
    with killing(stack, "query", 1):
        assert any(get(stack, "killed", "/api/search?q=%7B%7D").status == 500 for _ in patiently())
    assert get(stack, "killed", "/api/search?q=%7B%7D").status == 200
