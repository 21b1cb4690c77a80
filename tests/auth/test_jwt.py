"""JSON Web Tokens that strangers write: whatever is in them, they are refused."""

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from joserfc.jwk import ECKey, KeySet

from spanlake.auth.access import AccessError
from spanlake.auth.jwt import JwtVerifier
from spanlake.settings.access import JwtSettings

ISSUER = "http://127.0.0.1/realm"
DEEP = "[" * 2500


def coded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


def header(**fields: Any) -> str:
    return coded(json.dumps({"alg": "ES256", "kid": "one"} | fields))


@pytest.fixture(scope="module")
def verifier() -> JwtVerifier:
    keys = KeySet([ECKey.generate_key("P-256", {"kid": "one"})]).as_dict(private=False)

    def fetch(url: str) -> Any:
        return keys if url.endswith("/keys") else {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys"}

    found = JwtVerifier(JwtSettings(issuer=ISSUER, audience="spanlake"), fetch)
    found.refresh()
    return found


@pytest.mark.parametrize(
    "token",
    [
        f"{coded('{')}..",
        f"{coded(chr(123) + chr(34) + 'a' + chr(34) + ':' + DEEP)}.{coded('{}')}.{coded('x')}",
        f"{header()}.{coded(DEEP)}.{coded('x')}",
        f"{header(alg=None)}.{coded('{}')}.{coded('x')}",
        f"{header(alg=['ES256'])}.{coded('{}')}.{coded('x')}",
        f"{header(alg={'a': 1})}.{coded('{}')}.{coded('x')}",
        f"{header(alg='none')}.{coded('{}')}.",
        f"{header(kid=['one'])}.{coded('{}')}.{coded('x')}",
        f"{header(kid={})}.{coded('{}')}.{coded('x')}",
        f"{header(kid=10**400)}.{coded('{}')}.{coded('x')}",
        f"{header(crit='x')}.{coded('{}')}.{coded('x')}",
        f"{header(crit=[1], b64=False)}.{coded('{}')}.{coded('x')}",
        f"{header(jwk=5, x5c=5, jku=5)}.{coded('{}')}.{coded('x')}",
        f"{header()}.{coded('[]')}.{coded('x' * 64)}",
        f"{header()}.{chr(0)}.{chr(0xD800)}",
        f"{coded('[]')}.{coded('[]')}.",
        f"{coded('5')}.{coded('5')}.{coded('5')}",
        "é.é.é",
    ],
)
def test_token_of_a_stranger_is_refused_without_another_error(verifier: JwtVerifier, token: str) -> None:
    with pytest.raises(AccessError):
        verifier.access_of_token(token)
