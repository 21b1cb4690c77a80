"""Runs a function on events, with layers and the standard library alone: ``python -I -S probe.py FUNCTION LAYER...``.

It reads a list of events from standard input, and writes the list of answers as the last line of standard output.
"""

import json
import sys


class Context:
    """As much of a context as functions look at."""

    function_name = memory_limit_in_mb = invoked_function_arn = aws_request_id = "probe"

    def get_remaining_time_in_millis(self) -> int:
        return 900_000


def main(function: str, layers: list[str]) -> None:
    sys.path[:0] = [function, *layers]
    import handler  # type: ignore[import-not-found]

    answers = [handler.handler(event, Context()) for event in json.load(sys.stdin)]
    print(json.dumps(answers))


main(sys.argv[1], sys.argv[2:])
