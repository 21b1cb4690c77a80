"""Requests in any format become OTLP, those of one format together."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from spanlake.ingest.request import Format, Request
from spanlake.receivers.translated import Translated
from spanlake.spans.decode import MalformedRequest

_log = logging.getLogger(__name__)


def translated(requests: Sequence[Request]) -> list[Request | Exception]:
    """The requests in OTLP, known by what they came as; the exception for one that is not what it should be."""
    found: list[Request | Exception] = list(requests)
    by_format: dict[Format, list[int]] = {}
    for number, request in enumerate(requests):
        if request.format is not None:
            by_format.setdefault(request.format, []).append(number)
    for format_, numbers in by_format.items():
        outcomes = _outcomes(format_, [requests[number].body for number in numbers])
        for number, outcome in zip(numbers, outcomes, strict=True):
            found[number] = _result(requests[number], outcome)
    return found


def _result(request: Request, outcome: Translated | Exception) -> Request | Exception:
    if isinstance(outcome, Exception):
        return told(outcome)
    return replace(request, body=outcome.body, format=None, rejected=outcome.rejected)


def _outcomes(format_: Format, bodies: Sequence[bytes]) -> Sequence[Translated | Exception]:
    try:
        return format_.translate(bodies)
    except Exception as error:  # noqa: BLE001, one odd request must not take the others with it
        if len(bodies) == 1:
            return [error]
        return [outcome for body in bodies for outcome in _outcomes(format_, [body])]


def told(error: Exception) -> Exception:
    """The error of a request that can not be read, which is ours and goes to the log unless it says what is wrong."""
    if not isinstance(error, MalformedRequest):
        _log.error("a request could not be decoded", exc_info=error)
    return error
