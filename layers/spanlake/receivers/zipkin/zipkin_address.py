"""Addresses of endpoints as text, in the form of Go's net.IP."""

from ipaddress import IPv6Address, ip_address

_LONGEST = 100


def from_text(text: str) -> str:
    """Return the usual form of an address; empty for any other text."""
    try:
        return _shown(ip_address(text.strip()).packed) if len(text) <= _LONGEST else ""
    except ValueError:
        return ""


def from_bytes(packed: bytes) -> str:
    """Return the usual form of an address of four or sixteen bytes; empty for any other length."""
    return _shown(packed) if len(packed) in (4, 16) else ""


def _shown(packed: bytes) -> str:
    address = ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
