"""Every recorded request whose answer its query decides: Tempo's 200 must pass, its 400 must be refused."""

import gzip
import json
from collections.abc import Iterator

from spanlake.traceql import TraceQLError, check, parse, print_query
from tests.recorded import ANSWERS

# Elsewhere other parameters decide, or a broken query is overlooked.
AREAS = {
    *("attributes", "expressions", "intrinsics", "metrics", "metrics-instant", "pipelines", "rejects", "spansets"),
}


def recorded() -> Iterator[tuple[str, bool]]:
    with gzip.open(ANSWERS, "rt", encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            if answer["area"] in AREAS and "q" in answer["params"]:
                yield answer["params"]["q"], answer["want"]["status"] == 200


def is_accepted(text: str) -> bool:
    try:
        query = check(parse(text))
    except TraceQLError:
        return False
    assert parse(print_query(query)) == query
    return True


def test_recorded_queries() -> None:
    queries = dict(recorded())
    assert len(queries) > 200
    wrong = [text for text, accepted in queries.items() if is_accepted(text) != accepted]
    assert not wrong
