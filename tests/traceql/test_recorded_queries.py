"""Every recorded request whose answer its query decides: what is to be answered passes, what is no query is refused."""

from collections.abc import Iterator

from spanlake.traceql import TraceQLError, parse, print_query, validate
from tests.recorded import answers

# Elsewhere other parameters decide, or a broken query is overlooked.
AREAS = {
    *("attributes", "expressions", "intrinsics", "metrics", "metrics-instant", "pipelines", "rejects", "spansets"),
}


def recorded() -> Iterator[tuple[str, bool]]:
    for answer in answers():
        if answer["area"] in AREAS and "q" in answer["params"]:
            yield answer["params"]["q"], answer["want"]["status"] == 200


def is_accepted(text: str) -> bool:
    try:
        query = validate(parse(text))
    except TraceQLError:
        return False
    assert parse(print_query(query)) == query
    return True


def test_recorded_queries_are_accepted_or_refused_as_recorded() -> None:
    queries: dict[str, bool] = {}
    for text, accepted in recorded():  # some are asked of endpoints for other queries, too, and refused there
        queries[text] = accepted or queries.get(text, False)
    assert len(queries) > 200
    wrong = [text for text, accepted in queries.items() if is_accepted(text) != accepted]
    assert not wrong
