"""A large request in another format keeps no others waiting."""

import threading
from collections.abc import Sequence

import pytest

from spanlake.ingest.errors import Draining
from spanlake.ingest.group_commit import GroupPolicy
from spanlake.ingest.lanes import Lanes
from spanlake.ingest.request import Format, Outcome, Receipt, Request

SLOW = Format("slow", lambda _: [])


def test_large_requests_of_other_formats_keep_no_others_waiting() -> None:
    may_go_on = threading.Event()

    def commit(_: str, requests: Sequence[Request]) -> list[Outcome]:
        if any(request.format is SLOW and len(request.body) > 1 << 18 for request in requests):
            assert may_go_on.wait(60)
        return [Receipt(len(request.body)) for request in requests]

    lanes = Lanes(commit, GroupPolicy(0))
    lanes.start()
    large = [lanes.submit("t", bytes(1 << 19), SLOW) for _ in range(4)]
    assert lanes.submit("t", b"small", SLOW).result(60) == Receipt(5)
    assert lanes.submit("t", bytes(1 << 19)).result(60) == Receipt(1 << 19)
    assert not any(each.done() for each in large)
    may_go_on.set()
    assert [each.result(60) for each in large] == [Receipt(1 << 19)] * 4
    lanes.close()
    with pytest.raises(Draining):
        lanes.submit("t", bytes(1 << 19), SLOW)
