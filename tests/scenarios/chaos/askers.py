"""Clients that ask and delete, and hold every answer against what is known."""

import http.client
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from urllib.parse import urlencode

from opentelemetry.proto.trace.v1.trace_pb2 import Span, TracesData

from tests.scenarios.chaos.arena import Arena, Life
from tests.scenarios.chaos.ledger import Ledger
from tests.scenarios.chaos.spans import DAY_NS, TRACES, Sending, plain
from tests.server_process import Answer, ask

_PAUSE = 0.1  # seconds, at most
_PROTOBUF = {"Accept": "application/protobuf"}
_COUNT = "{ } | count_over_time() by (resource.service.name)"
_SUM = "{ } | sum_over_time(span.chaos.weight) by (resource.service.name)"


class Asker:
    """Client that sends queries, each after the answer to the last."""

    def __init__(self, arena: Arena, ledger: Ledger, number: int) -> None:
        self.answers: Counter[str] = Counter()
        self._arena = arena
        self._ledger = ledger
        self._chance = random.Random(f"{ledger.world.seed} asker {number}")
        self._questions = (self._ask_trace, self._ask_trace, self._ask_search, self._ask_count, self._ask_sum)

    def __call__(self) -> None:
        """Ask something."""
        self._chance.choice(self._questions)(self._arena.life())
        time.sleep(self._chance.uniform(0, _PAUSE))

    def ask_everything(self, life: Life) -> None:
        """Ask each kind of thing, and for a good many traces."""
        for _ in range(5):
            for question in self._questions:
                question(life)

    def _ask_trace(self, life: Life) -> None:
        sending = self._ledger.pick(self._chance)
        if sending is None:
            return
        trace_id = self._ledger.world.trace_id(sending, self._chance.randrange(TRACES))
        before = self._ledger.trace(sending, trace_id)
        answer = self._get(life, f"/api/traces/{trace_id.hex()}", _PROTOBUF)
        if answer is None:
            return
        after = self._ledger.trace(sending, trace_id)
        spans = [] if answer.status == 404 else list(_spans(TracesData.FromString(answer.body)))
        ids = [span.span_id for span in spans]
        # A trace that is deleted meanwhile may be there or not.
        certain = before.certain & after.certain
        where = f"life {life.number}: trace {trace_id.hex()} of {sending}"
        self._expect(certain <= set(ids), f"{where} lacks {sorted(certain - set(ids))}")
        self._expect(set(ids) <= before.possible | after.possible, f"{where} has {sorted(ids)}")
        self._expect(len(ids) == len(set(ids)), f"{where} has spans twice: {sorted(ids)}")
        self._expect(all(self._is_as_sent(span) for span in spans), f"{where} has changed")

    def _is_as_sent(self, span: Span) -> bool:
        sent = {one.span_id: one for one in self._ledger.world.spans(Sending.of(span.span_id))}
        return plain(sent[span.span_id]) == plain(span)

    def _ask_search(self, life: Life) -> None:
        sending = self._ledger.pick(self._chance)
        if sending is None:
            return
        ids = self._ledger.world.traces(sending)
        before = {id_: self._ledger.trace(sending, id_) for id_ in ids}
        q = f'{{ resource.service.name = "{sending.service}" && span.chaos.number = {sending.number} }}'
        answer = self._get(life, f"/api/search?{urlencode({'q': q, 'limit': 50, **self._range()})}")
        if answer is None:
            return
        after = {id_: self._ledger.trace(sending, id_) for id_ in ids}
        found = {trace["traceID"].rjust(32, "0") for trace in json.loads(answer.body).get("traces", ())}
        where = f"life {life.number}: a search for {sending}"
        for id_, span_ids in ids.items():
            if span_ids <= before[id_].certain & after[id_].certain:
                self._expect(id_.hex() in found, f"{where} misses {id_.hex()}, found {found}")
            if not before[id_].possible:
                self._expect(id_.hex() not in found, f"{where} found {id_.hex()}, which is deleted")
        self._expect(found <= {id_.hex() for id_ in ids}, f"{where} found {found}")

    def _ask_count(self, life: Life) -> None:
        self._ask_metric(life, _COUNT, lambda _: 1)

    def _ask_sum(self, life: Life) -> None:
        self._ask_metric(life, _SUM, lambda sending: sending.weight)

    def _ask_metric(self, life: Life, q: str, worth: Callable[[Sending], int]) -> None:
        asked = self._ledger.moment()
        answer = self._get(life, f"/api/metrics/query?{urlencode({'q': q, **self._range()})}")
        if answer is None:
            return
        bounds = self._ledger.bounds(worth, asked)
        values = {_service(one): one.get("value", 0) for one in json.loads(answer.body).get("series", ())}
        for service, (least, most) in bounds.items():
            where, value = f"life {life.number}: {q} of {service}", values.get(service, 0)
            self._expect(least <= value <= most, f"{where} is {value}, not {least} to {most}")

    def _range(self) -> dict[str, int]:
        now = self._ledger.world.now_ns
        return {"start": (now - 2 * DAY_NS) // 10**9, "end": (now + DAY_NS) // 10**9}

    def _get(self, life: Life, path: str, headers: dict[str, str] | None = None) -> Answer | None:
        """A good answer, None when there is none: the server is gone, or says that it cannot answer."""
        try:
            answer = life.server.get(path, headers)
        except (OSError, http.client.HTTPException) as error:
            self.answers[type(error).__name__] += 1
            return None
        self.answers[str(answer.status)] += 1
        if answer.status in {200, 404}:
            return answer
        self._expect(answer.status == 503, f"life {life.number}: {path} is answered {answer.status} {answer.body!r}")
        return None

    def _expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self._ledger.violated(otherwise)


class Deleter:
    """A client that deletes a trace now and then, and tells until it hears that it is gone."""

    def __init__(self, arena: Arena, ledger: Ledger) -> None:
        self._arena = arena
        self._ledger = ledger
        self._chance = random.Random(f"{ledger.world.seed} deleter")

    def __call__(self) -> None:
        """Delete a trace."""
        time.sleep(self._chance.uniform(0.1, 0.6))
        self._arena.life()
        sending = self._ledger.pick_complete(self._chance)
        if sending is None:
            return
        trace_id = self._ledger.world.trace_id(sending, self._chance.randrange(TRACES))
        if self._ledger.is_doomed(trace_id):
            return
        self._ledger.doom(trace_id)
        self._insist(trace_id)
        self._ledger.bury(trace_id)

    def _insist(self, trace_id: bytes) -> None:
        for attempt in range(10_000):
            life = self._arena.life()
            status = self._delete(life, trace_id)
            if status == 204 or (status == 404 and attempt):
                return
            if status not in {None, 503}:
                self._ledger.violated(f"life {life.number}: deleting {trace_id.hex()} is answered {status}")
                return
            time.sleep(_PAUSE)

    @staticmethod
    def _delete(life: Life, trace_id: bytes) -> int | None:
        try:
            return ask(3200 + life.server.offset, "DELETE", f"/api/traces/{trace_id.hex()}").status
        except (OSError, http.client.HTTPException):
            return None


def _spans(trace: TracesData) -> Iterable[Span]:
    for resource in trace.resource_spans:
        for scope in resource.scope_spans:
            yield from scope.spans


def _service(series: dict[str, list[dict[str, dict[str, str]]]]) -> str:
    return next(label["value"]["stringValue"] for label in series["labels"] if "service" in label["key"])
