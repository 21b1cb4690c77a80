"""Trace ids and span ids as text: hex digits, UUIDs, and X-Ray's spelling of a trace id."""

import re

TRACE_ID, SPAN_ID = 16, 8
"""Lengths in bytes."""

_HEX = re.compile("[0-9A-Fa-f]+", re.ASCII)
_UUID = re.compile("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", re.ASCII)
_XRAY = re.compile("1-([0-9A-Fa-f]{8})-([0-9A-Fa-f]{24})", re.ASCII)
"""Version, seconds since 1970, and the rest: https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html"""


def parse_id(text: str, length: int) -> bytes | None:
    """Read an id in hex digits of either case, without leading zeros, with the dashes of a UUID, or as X-Ray writes it.

    Returns None where the text is not an id of at most ``length`` bytes.
    """
    digits = text.strip()
    if _UUID.fullmatch(digits):
        digits = digits.replace("-", "")
    elif found := _XRAY.fullmatch(digits):
        digits = found[1] + found[2]
    if len(digits) > 2 * length or not _HEX.fullmatch(digits):
        return None
    return bytes.fromhex(digits.rjust(2 * length, "0"))
