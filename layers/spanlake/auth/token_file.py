"""A file of tokens, read again when it changes."""

import logging
from pathlib import Path

from spanlake.auth.access import Access
from spanlake.auth.tokens import InvalidTokens, Tokens
from spanlake.settings.units import InvalidSetting
from spanlake.settings.watched import WatchedFile

_log = logging.getLogger(__name__)


class TokenFile:
    """The tokens in a file.

    Lines that become invalid while it is in use are left out, with a log line; a file without any valid line, or one
    that cannot be read, leaves the tokens as they were.
    """

    def __init__(self, path: Path) -> None:
        """Read the file; raises InvalidSetting when it cannot be read, or has an invalid line."""
        try:
            self._file = WatchedFile(path, _tokens, InvalidTokens)
        except (OSError, InvalidTokens) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise InvalidSetting(f"the file of tokens {path} cannot be used: {reason}") from None
        if faults := self._file.value.faults:
            raise InvalidSetting(f"the file of tokens {path} has invalid lines: {'; '.join(faults[:3])}")

    def access_of_token(self, token: str) -> Access:
        """Return the access of a token; raises Unauthenticated."""
        return self._file.value.access_of_token(token)

    def refresh(self) -> None:
        """Read the file again if it has changed."""
        self._file.refresh()


def _tokens(content: bytes) -> Tokens:
    return usable(Tokens.parse(content.decode(errors="replace")))


def usable(tokens: Tokens) -> Tokens:
    """Log the entries that were left out; raises InvalidTokens when none is left."""
    for fault in tokens.faults[:10]:
        _log.error("token left out, entry invalid", extra={"reason": fault})
    if tokens.faults and not tokens.entries:
        raise InvalidTokens(f"no entry is valid: {tokens.faults[0]}")
    return tokens
