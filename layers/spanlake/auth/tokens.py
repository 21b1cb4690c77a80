"""Lists of bearer tokens: the tenants and roles of each, known by its hash.

A list is text. A line is ``sha256:HEX TENANTS ROLES NAME``: the hash of a token, tenants separated by commas or ``*``
for any, roles separated by commas, and a name for logs, which may be missing. ``#`` begins a comment. A JSON object is
a list, too: of hashes, or of tokens themselves as in earlier versions, with a tenant, or with an object of ``tenants``,
``roles`` and ``name``.
"""

import base64
import binascii
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from spanlake.auth.access import Access, Role, Unauthenticated
from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import validate_tenant

MAX_TOKENS = 10_000
LEAST_CHARACTERS = 16  # shorter tokens can be guessed
ANY_TENANT = "*"
_LONGEST_HEADER = 8192  # characters
_RANDOM_BYTES = 32
_PREFIX = "sl_"  # by which scanners for leaked secrets know a token
_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII | re.IGNORECASE)
_NAME = re.compile(r"[\w.@:/-]{1,64}", re.ASCII)
_OF_BARE_TENANT = frozenset({Role.WRITE, Role.READ, Role.DELETE})  # earlier versions knew no roles
_NO_CREDENTIALS = "no credentials: send a token, as Authorization: Bearer TOKEN or as the password of Basic"


class InvalidTokens(ValueError):  # noqa: N818
    """The list of tokens is invalid; the message contains no token."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The hash of a token, and its access."""

    digest: bytes
    access: Access


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens by the SHA-256 of each: the tokens themselves are not kept."""

    entries: Mapping[bytes, Entry] = field(default_factory=dict)
    faults: tuple[str, ...] = ()  # reasons why entries of the list were left out

    @classmethod
    def parse(cls, text: str) -> "Tokens":
        """Read a list, invalid entries left out; raises InvalidTokens when it is no list at all."""
        entries: dict[bytes, Entry] = {}
        faults: list[str] = []
        for where, fields in _of_json(text) if text.lstrip().startswith(("{", "[")) else _of_lines(text):
            try:
                entry = _entry(*fields)
            except InvalidTokens as error:
                faults.append(f"{where}: {error}")
                continue
            entries[entry.digest] = entry
        if len(entries) > MAX_TOKENS:
            raise InvalidTokens(f"the list has {len(entries)} tokens, at most {MAX_TOKENS} are allowed")
        return cls(entries, tuple(faults))

    def access(self, authorization: Iterable[str]) -> Access:
        """Return the access of the values of the Authorization header; raises Unauthenticated.

        The tokens are looked up by their hash: how long that takes says nothing of a token.
        """
        return self.access_of_token(token_in(authorization))

    def access_of_token(self, token: str) -> Access:
        """Return the access of a token; raises Unauthenticated."""
        digest = _digest(token)
        entry = self.entries.get(digest)
        if entry is None or not hmac.compare_digest(entry.digest, digest):
            raise Unauthenticated("the token is not known")
        return entry.access


def token_in(authorization: Iterable[str]) -> str:
    """Return the token in the only value of the Authorization header; raises Unauthenticated.

    ``Bearer TOKEN``, or ``Basic`` with the token as the password (RFC 7617) for clients that support nothing else.
    """
    values = {*authorization}
    if len(values) != 1:
        raise Unauthenticated("Authorization occurs several times: send it once" if values else _NO_CREDENTIALS)
    scheme, _, credentials = values.pop()[:_LONGEST_HEADER].strip().partition(" ")
    match scheme.lower():
        case "bearer":
            token = credentials.strip()
        case "basic":
            token = _password(credentials.strip())
        case _:
            token = ""
    if not token:
        raise Unauthenticated(_NO_CREDENTIALS)
    return token


def new_token() -> str:
    """Make a token that cannot be guessed."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def line_of(token: str, tenants: Sequence[str], roles: Iterable[Role], name: str = "") -> str:
    """Return the line of a list for a token; raises InvalidTokens."""
    fields = [f"sha256:{_digest(token).hex()}", ",".join(tenants), ",".join(sorted(roles)), name]
    _entry(*fields)
    return " ".join(fields).strip()


def _of_lines(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        fields = line.partition("#")[0].split()
        if fields:
            yield f"line {number}", fields


def _of_json(text: str) -> Iterator[tuple[str, Sequence[str]]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidTokens("the tokens are neither lines nor JSON") from None
    if not isinstance(found, dict):
        raise InvalidTokens("the tokens are not a JSON object of tokens and their tenants")
    for number, (key, value) in enumerate(found.items(), 1):
        yield f"entry {number}", (key if _HASH.fullmatch(key) else _hash_of(key), *_json_fields(value))


def _hash_of(token: str) -> str:
    """Return the hash of a token as lists have it, empty for a token that is too short."""
    return "short" if len(token) < LEAST_CHARACTERS else f"sha256:{_digest(token).hex()}"


def _json_fields(value: Any) -> tuple[str, str, str]:
    if isinstance(value, str):
        return value, ",".join(_OF_BARE_TENANT), ""
    if not isinstance(value, dict):
        return "", "", ""
    return _joined(value.get("tenants")), _joined(value.get("roles")), str(value.get("name") or "")


def _joined(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ",".join(map(str, value)) if isinstance(value, list) else ""


def _entry(digest: str = "", tenants: str = "", roles: str = "", name: str = "", *more: str) -> Entry:
    if digest == "short":
        raise InvalidTokens(f"the token has fewer than {LEAST_CHARACTERS} characters")
    match = _HASH.fullmatch(digest)
    if match is None:
        raise InvalidTokens("an entry begins with sha256: and 64 hex digits; `spanlake token` prints one")
    if more or (name and not _NAME.fullmatch(name)):
        raise InvalidTokens("the name is not one word of at most 64 letters, digits and . @ : / _ -")
    return Entry(bytes.fromhex(match[1]), Access(_tenants(tenants), _roles(roles), name))


def _tenants(text: str) -> tuple[str, ...] | None:
    if text == ANY_TENANT:
        return None
    try:
        return tuple(dict.fromkeys(validate_tenant(name) for name in text.split(",")))
    except InvalidTenant as error:
        raise InvalidTokens(str(error)) from None


def _roles(text: str) -> frozenset[Role]:
    try:
        return frozenset(Role(name) for name in text.split(","))
    except ValueError:
        known = ", ".join(Role)
        raise InvalidTokens(f"the roles are not some of {known}, separated by commas") from None


def _password(credentials: str) -> str:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
