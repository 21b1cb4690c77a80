"""The bounds within which an answer must lie: what happens while it is made may be in it or not, one by one."""

from tests.scenarios.chaos.ledger import Ledger
from tests.scenarios.chaos.spans import SPANS_OF_TRACE, TRACES, Sending, World

OF_REQUEST = SPANS_OF_TRACE * TRACES
FIRST, SECOND = Sending(0, 0), Sending(0, 2)


def stored(*sendings: Sending) -> Ledger:
    ledger = Ledger(World(1, 10**18))
    for sending in sendings:
        store(ledger, sending)
    return ledger


def store(ledger: Ledger, sending: Sending) -> None:
    ledger.sends(sending, 1, 0)
    ledger.acknowledges(sending)


def delete(ledger: Ledger, sending: Sending) -> None:
    ledger.doom(ledger.world.trace_id(sending, 0))
    ledger.bury(ledger.world.trace_id(sending, 0))


def bounds(ledger: Ledger, asked: object) -> tuple[int, int]:
    return ledger.bounds(lambda _: 1, asked)[FIRST.service]  # type: ignore[arg-type]


def test_answer_has_what_was_acknowledged_before_it_was_asked_for() -> None:
    ledger = stored(FIRST, SECOND)
    assert bounds(ledger, ledger.moment()) == (2 * OF_REQUEST, 2 * OF_REQUEST)


def test_a_deletion_and_an_acknowledgement_meanwhile_do_not_make_up_for_each_other() -> None:
    ledger = stored(FIRST)
    asked = ledger.moment()
    delete(ledger, FIRST)
    store(ledger, SECOND)
    assert bounds(ledger, asked) == (OF_REQUEST - SPANS_OF_TRACE, 2 * OF_REQUEST)


def test_a_trace_that_was_deleted_before_is_not_in_the_answer() -> None:
    ledger = stored(FIRST)
    delete(ledger, FIRST)
    assert bounds(ledger, ledger.moment()) == (OF_REQUEST - SPANS_OF_TRACE, OF_REQUEST - SPANS_OF_TRACE)


def test_a_request_counts_once_for_each_chance_that_it_had() -> None:
    ledger = stored(FIRST)
    asked = ledger.moment()
    ledger.sends(FIRST, 2, 0)
    ledger.sends(SECOND, 2, 0)
    assert bounds(ledger, asked) == (OF_REQUEST, 3 * OF_REQUEST)
