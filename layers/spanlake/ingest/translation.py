"""Requests in any format become OTLP, those of one format together where that costs less."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from spanlake.ingest.request import Format, Request
from spanlake.spans.decode import MalformedRequest

_log = logging.getLogger(__name__)


def translated(requests: Sequence[Request]) -> list[Request | Exception]:
    """The requests in OTLP, known by what they came as; the exception for one that is not what it should be."""
    found = dict(_translated_together(requests))
    return [found.get(number) or _translated(request) for number, request in enumerate(requests)]


def _translated_together(requests: Sequence[Request]) -> Iterator[tuple[int, Request]]:
    """Those that can be; one odd request leaves all of its format to be translated one by one."""
    by_format: dict[Format, list[int]] = {}
    for number, request in enumerate(requests):
        if request.format is not None and request.format.all_to_otlp is not None:
            by_format.setdefault(request.format, []).append(number)
    for format_, numbers in by_format.items():
        if len(numbers) > 1 and format_.all_to_otlp is not None:
            yield from _together(format_.all_to_otlp, numbers, requests)


def _together(
    translate: Callable[[Sequence[bytes]], list[bytes]], numbers: Sequence[int], requests: Sequence[Request]
) -> Iterator[tuple[int, Request]]:
    try:
        bodies = translate([requests[number].body for number in numbers])
    except Exception:  # noqa: BLE001, who is at fault is found, and told, where each is translated alone
        return
    for number, body in zip(numbers, bodies, strict=True):
        yield number, replace(requests[number], body=body, format=None)


def _translated(request: Request) -> Request | Exception:
    try:
        return replace(request, body=request.to_otlp(), format=None)
    except Exception as error:  # noqa: BLE001, one odd request must not take the others with it
        return told(error)


def told(error: Exception) -> Exception:
    """The error of a request that can not be read, which is ours and goes to the log unless it says what is wrong."""
    if not isinstance(error, MalformedRequest):
        _log.error("a request could not be decoded", exc_info=error)
    return error
