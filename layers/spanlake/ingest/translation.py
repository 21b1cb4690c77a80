"""Translates requests of any format to OTLP, all requests of one format together."""

import logging
from collections.abc import Sequence
from dataclasses import replace

from spanlake.ingest.request import Format, Request
from spanlake.receivers.translation import Translated
from spanlake.spans.otlp.decode import MalformedRequest

_log = logging.getLogger(__name__)


def translated(requests: Sequence[Request]) -> list[Request | Exception]:
    """Translate requests to OTLP, keeping their original digests; returns the exception for each malformed one."""
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
    except Exception as error:  # noqa: BLE001, one malformed request must not fail the others
        if len(bodies) == 1:
            return [error]
        return [outcome for body in bodies for outcome in _outcomes(format_, [body])]


def told(error: Exception) -> Exception:
    """Log an error of this code while reading a request, and return it; a MalformedRequest is returned without a log
    line.
    """
    if not isinstance(error, MalformedRequest):
        _log.error("request decoding failed", exc_info=error)
    return error
