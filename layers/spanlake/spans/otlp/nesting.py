"""Counts the resources and scopes of large requests before they are decoded.

The decoder makes some 18 bytes of an empty message of two, so that a request of the largest size would take ten times
its size before anything could be counted.
"""

from collections.abc import Sequence

from spanlake.spans.otlp.limits import FEW, Limits, TooMuch

SMALLEST = 32
"""Minimum average size in bytes of resources, scopes and other fields around them."""
_LARGE = 1 << 20  # bytes; smaller requests are decoded without a look
_SMALL = 64 << 10  # bytes; the same for messages that become objects of Python
_RESOURCE_SPANS = 0x0A  # tag of the only field of a request
_FIXED = {1: 8, 5: 4}
_LONGEST_VARINT = 10


def check(requests: Sequence[bytes]) -> None:
    """Raise TooMuch for a request with more resources and scopes than would be if they held anything."""
    for request in requests:
        if len(request) > _LARGE:
            Limits(1, len(request)).check("resources", _count(request), SMALLEST)


def _count(request: bytes) -> int:
    """Count the fields of a request and of its resources, until there are too many or a field is invalid."""
    most = FEW + len(request) // SMALLEST
    count, at, end = 0, 0, len(request)
    while at < end and count <= most:
        count += 1
        is_resource = request[at] == _RESOURCE_SPANS
        value, after = _value(request, at, end)
        if is_resource:
            while value < after and count <= most:
                count += 1
                _, value = _value(request, value, after)
        at = after
    return count


def refuse_small_fields(message: bytes, smallest: int) -> None:
    """Raise TooMuch for a large message of any type with more fields than would be if they held anything."""
    if len(message) <= _SMALL:
        return
    most = FEW + len(message) // smallest
    count, at, end = 0, 0, len(message)
    while at < end:
        count += 1
        if count > most:
            raise TooMuch("most of its fields are empty")
        _, at = _value(message, at, end)


def _value(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Return the start and the end of a field's value; for an invalid field the end of everything."""
    try:
        tag, at = _varint(data, at)
        type_ = tag & 7
        if tag < 8:  # no field has the number 0
            return end, end
        if type_ == 2:
            size, at = _varint(data, at)
            return at, min(at + size, end)
        if type_ == 0:
            return at, _varint(data, at)[1]
        return at, min(at + _FIXED[type_], end)
    except (IndexError, KeyError):
        return end, end


def _varint(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    if byte < 128:
        return byte, at + 1
    number, shift = byte & 127, 7
    for position in range(at + 1, at + _LONGEST_VARINT):
        byte = data[position]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position + 1
        shift += 7
    raise IndexError
