"""The authenticator of a server: tokens of a file or a secret, JSON Web Tokens, or both."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from spanlake.auth.access import Access, Unauthenticated
from spanlake.auth.tokens import token_in

if TYPE_CHECKING:
    from spanlake.auth.jwt import JwtVerifier

_JWT_START = "eyJ"  # a JSON object in base64


class KnownTokens(Protocol):
    """Tokens with the access of each."""

    def access_of_token(self, token: str) -> Access:
        """Return the access of a token; raises AccessError."""


class Credentials:
    """Finds the access of tokens by their form."""

    def __init__(self, tokens: KnownTokens | None, jwt: "JwtVerifier | None") -> None:
        self._tokens = tokens
        self._jwt = jwt

    def access(self, authorization: Iterable[str]) -> Access:
        """Return the access of the values of the Authorization header; raises AccessError."""
        token = token_in(authorization)
        if self._jwt is not None and token.startswith(_JWT_START) and token.count(".") == 2:
            return self._jwt.access_of_token(token)
        if self._tokens is None:
            raise Unauthenticated("the token is not a JSON Web Token")
        return self._tokens.access_of_token(token)
