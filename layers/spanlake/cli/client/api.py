"""The Tempo API as commands use it: of a server over HTTP, or of stored blocks in this process."""

from collections.abc import Mapping
from typing import Protocol

JSON = "application/json"
PROTOBUF = "application/protobuf"


class TempoApi(Protocol):
    """A server of the Tempo API, or a store that is read as one."""

    @property
    def url(self) -> str:
        """The server's address, or the store's name, for messages."""

    def get(self, path: str, params: Mapping[str, str] | None = None, accept: str = JSON) -> bytes:
        """Return the body of a successful answer; raises CommandError."""

    def delete(self, path: str) -> None:
        """Send DELETE; raises CommandError."""
