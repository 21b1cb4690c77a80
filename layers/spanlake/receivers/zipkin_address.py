"""Addresses of endpoints as text, in the form that Go's net.IP gives them."""

from ipaddress import IPv6Address, ip_address


def from_text(text: str) -> str:
    """The usual form of an address; raises ValueError when it is none."""
    return _shown(ip_address(text).packed)


def from_bytes(packed: bytes) -> str:
    """The usual form of an address of four or sixteen bytes; of any other number, the bytes as they are."""
    return _shown(packed) if len(packed) in (4, 16) else f"?{packed.hex()}"


def _shown(packed: bytes) -> str:
    address = ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
