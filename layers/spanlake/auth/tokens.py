"""Bearer tokens for sending and querying, and their tenants."""

# ruff: noqa: N818  (the names say what happened; "Error" would add nothing)

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from hashlib import sha256

from spanlake.store.errors import InvalidTenant
from spanlake.store.tenant import validate_tenant

MAX_TOKENS = 10_000
LEAST_CHARACTERS = 16  # shorter tokens can be guessed
_LONGEST_HEADER = 8192  # characters


class InvalidTokens(ValueError):
    """The list of tokens is invalid; the message contains no token."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tenants of tokens, by SHA-256 of each token: the tokens themselves are not kept."""

    tenants: tuple[tuple[bytes, str], ...]

    @classmethod
    def parse(cls, text: str) -> "Tokens":
        """Read a JSON object of tokens and their tenants; raises InvalidTokens."""
        try:
            found = json.loads(text)
        except ValueError:
            raise InvalidTokens("the tokens are not JSON") from None
        if not isinstance(found, dict) or len(found) > MAX_TOKENS:
            raise InvalidTokens(f"the tokens are not a JSON object of at most {MAX_TOKENS} tokens and their tenants")
        return cls(tuple(_entry(token, tenant) for token, tenant in found.items()))

    def tenant_of(self, authorization: str) -> str | None:
        """Return the tenant of an Authorization header, None when the token is unknown.

        ``Bearer TOKEN``, or ``Basic`` with the token as the password (RFC 7617) for clients that support nothing else.
        The time this takes depends neither on how much of a token is right, nor on which token it is.
        """
        token = _token(authorization)
        if token is None:
            return None
        digest, tenant = _digest(token), None
        for known, name in self.tenants:
            if hmac.compare_digest(known, digest):
                tenant = name
        return tenant


def _entry(token: str, tenant: object) -> tuple[bytes, str]:
    if len(token) < LEAST_CHARACTERS:
        raise InvalidTokens(f"a token has fewer than {LEAST_CHARACTERS} characters")
    if not isinstance(tenant, str):
        raise InvalidTokens("the tenant of a token is not a string")
    try:
        return _digest(token), validate_tenant(tenant)
    except InvalidTenant as error:
        raise InvalidTokens(str(error)) from None


def _token(authorization: str) -> str | None:
    scheme, _, credentials = authorization[:_LONGEST_HEADER].strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return credentials.strip()
        case "basic":
            return _password(credentials.strip())
    return None


def _password(credentials: str) -> str | None:
    try:
        return base64.b64decode(credentials, validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return None


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="surrogatepass")).digest()
