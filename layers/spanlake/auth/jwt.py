"""JSON Web Tokens of an issuer (OpenID Connect), verified with the keys that it publishes."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from spanlake.auth.access import Access, CannotVerify, Unauthenticated
from spanlake.auth.claims import access_of_claims, roles_named
from spanlake.settings.access import JwtSettings
from spanlake.settings.units import InvalidSetting

_DISCOVERY = "/.well-known/openid-configuration"  # OpenID Connect Discovery 1.0, 4
_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures with a published key only: with ``none`` or a shared secret anybody could sign."""
_LEEWAY_SECONDS = 30  # by which clocks may differ
_MAX_TOKEN = 8192  # characters
_FETCH_SECONDS = 5.0
_MAX_BYTES = 1 << 20
_RENEW_SECONDS = 3600.0
_AGAIN_SECONDS = 30.0  # at least between attempts, so that unknown keys cannot be made to cost much
_FIRST_AGAIN_SECONDS = 2.0  # while there are no keys
_REMEMBERED = 4096
_REMEMBERED_SECONDS = 300.0

_log = logging.getLogger(__name__)

Fetch = Callable[[str], Any]
"""Returns the JSON at a URL; raises OSError and ValueError."""


class JwtVerifier:
    """Finds the access of JSON Web Tokens. Verified tokens are remembered by their hash, for five minutes at most."""

    def __init__(self, settings: JwtSettings, fetch: Fetch | None = None) -> None:
        """Set up without keys, which ``refresh`` fetches; raises InvalidSetting for unknown roles."""
        roles_named(settings.rules.roles)
        self._settings = settings
        self._fetch = fetch or _json_at
        self._keys: KeySet | None = None
        self._keys_wanted = True
        self._fetched = self._tried = -_RENEW_SECONDS
        self._remembered: dict[bytes, tuple[float, Access]] = {}
        self._claims = jwt.JWTClaimsRegistry(leeway=_LEEWAY_SECONDS, exp={"essential": True})

    def access_of_token(self, token: str) -> Access:
        """Return the access of a token; raises Unauthenticated, Forbidden, and CannotVerify while keys are fetched."""
        digest = sha256(token.encode(errors="surrogatepass")).digest()
        until, access = self._remembered.get(digest, (0.0, None))
        if access is not None and time.time() < until:
            return access
        claims = self._verified(token)
        access = access_of_claims(claims, self._settings.rules)
        if len(self._remembered) >= _REMEMBERED:
            self._remembered.clear()
        self._remembered[digest] = min(float(claims["exp"]), time.time() + _REMEMBERED_SECONDS), access
        return access

    def refresh(self) -> None:
        """Fetch the keys where they are old, or a token names one that is not among them."""
        now = time.monotonic()
        pause = _FIRST_AGAIN_SECONDS if self._keys is None else _AGAIN_SECONDS
        is_due = self._keys_wanted or now - self._fetched >= _RENEW_SECONDS
        if not is_due or now - self._tried < pause:
            return
        self._tried = now
        try:
            self._keys = self._published()
        except (OSError, ValueError, JoseError, KeyError, TypeError) as error:
            _log.error("keys of the issuer not fetched", extra={"issuer": self._settings.issuer, "reason": str(error)})
            return
        self._fetched, self._keys_wanted = now, False
        self._remembered = {}

    def _published(self) -> KeySet:
        found = self._fetch(self._settings.issuer.rstrip("/") + _DISCOVERY)
        url = found["jwks_uri"]
        if urlsplit(url).scheme != urlsplit(self._settings.issuer).scheme:
            raise ValueError("jwks_uri has another scheme than the issuer")
        return KeySet.import_key_set(self._fetch(url))

    def _verified(self, token: str) -> Mapping[str, Any]:
        if self._keys is None:
            raise CannotVerify("the keys of the issuer are not at hand: try again")
        if len(token) > _MAX_TOKEN:
            raise Unauthenticated("the token is too long")
        try:
            claims = jwt.decode(token, self._keys, algorithms=_ALGORITHMS).claims
            self._claims.validate(claims)
        except InvalidKeyIdError:
            raise self._unknown_key() from None
        except Exception as error:  # noqa: BLE001, a stranger wrote the token: whatever it does to the library is no fault
            raise Unauthenticated(f"the token is not valid: {str(error)[:100]}") from None
        self._check_purpose(claims)
        return claims

    def _unknown_key(self) -> Exception:
        """Return the refusal of a token whose key is not known: it may be new, unless that was just looked up."""
        if time.monotonic() - self._tried < _AGAIN_SECONDS:
            return Unauthenticated("the token is signed with an unknown key")
        self._keys_wanted = True
        return CannotVerify("the keys of the issuer are fetched: try again")

    def _check_purpose(self, claims: Mapping[str, Any]) -> None:
        """Check issuer and audience; access tokens of Cognito name their client in the place of an audience."""
        audience = claims.get("aud")
        named = audience if isinstance(audience, list) else [audience]
        if claims.get("iss") != self._settings.issuer:
            raise Unauthenticated("the token is of another issuer")
        if self._settings.audience not in (named if audience is not None else [claims.get("client_id")]):
            raise Unauthenticated("the token is for another audience")


def _json_at(url: str) -> Any:
    if urlsplit(url).scheme not in {"https", "http"}:
        raise InvalidSetting(f"the issuer is not a URL with https: {url[:80]!r}")
    with urlopen(Request(url, headers={"User-Agent": "spanlake"}), timeout=_FETCH_SECONDS) as answer:  # noqa: S310
        return json.loads(answer.read(_MAX_BYTES))
