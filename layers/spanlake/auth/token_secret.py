"""A secret of tokens in AWS Secrets Manager, read again now and then."""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from spanlake.auth.access import Access, CannotVerify, Unauthenticated
from spanlake.auth.token_file import usable
from spanlake.auth.tokens import InvalidTokens, Tokens, token_in
from spanlake.store.errors import StoreError
from spanlake.store.secrets import read_secret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager.client import SecretsManagerClient

_LONGEST_SECONDS = 7.0  # of all attempts: API Gateway waits for ten
_KEPT_SECONDS = 300.0
_AT_MOST_EVERY = 30.0  # seconds, so that unknown tokens can not be made to cost much

_log = logging.getLogger(__name__)


class TokenSecret:
    """The tokens in a secret, read again every five minutes, and sooner when an unknown token was presented.

    A secret that cannot be read, or has become invalid, leaves the tokens as they were; one that never had a value
    holds no tokens.
    """

    def __init__(
        self,
        client: "SecretsManagerClient",
        arn: str,
        clock: Callable[[], float] = time.monotonic,
        longest_seconds: float = _LONGEST_SECONDS,
    ) -> None:
        self._client = client
        self._arn = arn
        self._clock = clock
        self._longest_seconds = longest_seconds
        self._tokens: Tokens | None = None
        self._tried_at: float | None = None
        self._is_current = False  # False after a failed attempt, and after an unknown token

    def access(self, authorization: str) -> Access:
        """Return the access of an Authorization header, reading the secret where that is due.

        Raises AccessError, and CannotVerify without any tokens read.
        """
        token = token_in([authorization] if authorization else [])
        self.refresh()
        try:
            return self._known().access_of_token(token)
        except Unauthenticated:
            self._refresh(_AT_MOST_EVERY)
            return self._known().access_of_token(token)

    def access_of_token(self, token: str) -> Access:
        """Return the access of a token among those read; raises Unauthenticated, and CannotVerify without any."""
        try:
            return self._known().access_of_token(token)
        except Unauthenticated:
            self._is_current = False
            raise

    def refresh(self) -> None:
        """Read the secret again where that is due; raises nothing."""
        self._refresh(_KEPT_SECONDS if self._is_current else _AT_MOST_EVERY)

    def _known(self) -> Tokens:
        if self._tokens is None:
            raise CannotVerify("the tokens cannot be read")
        return self._tokens

    def _refresh(self, seconds: float) -> None:
        """Read the secret unless that was tried within so many seconds; at once while there are no tokens."""
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < seconds and self._tokens is not None:
            return
        self._tried_at = now
        try:
            self._tokens = self._read()
            self._is_current = True
        except (StoreError, InvalidTokens) as error:
            self._is_current = False
            kept = "none" if self._tokens is None else len(self._tokens.entries)
            _log.error("tokens not read, the former count", extra={"reason": str(error)[:500], "kept": kept})

    def _read(self) -> Tokens:
        text = read_secret(self._client, self._arn, self._longest_seconds)
        if text is None and self._tokens is not None:
            raise InvalidTokens("the secret has no value any more")
        return usable(Tokens.parse(text or "{}"))
