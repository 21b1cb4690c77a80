"""The permissions of a process, composed from its settings, and the refusal to be open to strangers."""

import socket
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING

from spanlake.auth.access import OPEN, Authenticator
from spanlake.auth.credentials import Credentials
from spanlake.auth.token_file import TokenFile
from spanlake.server.tls import Tls
from spanlake.settings.access import AccessSettings
from spanlake.settings.model import Config
from spanlake.settings.units import InvalidSetting
from spanlake.settings.watched import Refreshed
from spanlake.store.errors import InvalidTenant
from spanlake.store.index.base import Index
from spanlake.store.tenant import DEFAULT_TENANT, validate_tenant
from spanlake.store.tenant_limits import IndexedLimits, LimitsFile, LimitsSource, NoLimits

if TYPE_CHECKING:
    from spanlake.auth.jwt import JwtVerifier
    from spanlake.auth.token_secret import TokenSecret


@dataclass(frozen=True, slots=True)
class AccessControl:
    """The authenticator and the TLS of a process; ``refreshed`` has to be refreshed every second to be current."""

    authenticator: Authenticator
    tls: Tls | None  # None where the ports speak plain text
    refreshed: tuple[Refreshed, ...]

    @property
    def is_open(self) -> bool:
        """True where no credentials are asked for."""
        return self.authenticator is OPEN


def open_access(settings: AccessSettings) -> AccessControl:
    """Compose the permissions; raises InvalidSetting."""
    tls = Tls(settings.tls) if settings.tls.cert else None
    tokens = _tokens(settings)
    jwt = _jwt(settings)
    authenticator = Credentials(tokens, jwt) if settings.asks_credentials else OPEN
    return AccessControl(authenticator, tls, tuple(value for value in (tls, tokens, jwt) if value is not None))


def _tokens(settings: AccessSettings) -> "TokenFile | TokenSecret | None":
    if settings.tokens:
        return TokenFile(settings.tokens)
    if not settings.tokens_secret:
        return None
    from spanlake.auth.token_secret import TokenSecret  # botocore takes 100 ms to import
    from spanlake.store.secrets import open_client

    secret = TokenSecret(open_client(), settings.tokens_secret)
    secret.refresh()
    return secret


def _jwt(settings: AccessSettings) -> "JwtVerifier | None":
    if not settings.jwt.issuer:
        return None
    from spanlake.auth.jwt import JwtVerifier  # its library takes 50 ms to import

    return JwtVerifier(settings.jwt)


def udp_tenant(settings: AccessSettings) -> str | None:
    """Return the tenant of datagrams, None where none are received: they have no place for credentials.

    Raises InvalidSetting.
    """
    if not settings.udp_tenant:
        return None if settings.asks_credentials else DEFAULT_TENANT
    try:
        return validate_tenant(settings.udp_tenant)
    except InvalidTenant as error:
        raise InvalidSetting(f"--udp-tenant: {error}") from None


def check_exposure(config: Config) -> None:
    """Raise InvalidSetting where other machines could read, write and delete without credentials."""
    access = config.access
    if access.asks_credentials or access.allow_anonymous or is_loopback(config.listen):
        return
    raise InvalidSetting(
        f"listening on {config.listen} without tokens lets anyone there read, write and delete: "
        "name a file of tokens with --tokens, or say --allow-anonymous"
    )


def is_loopback(listen: str) -> bool:
    """True where an address to listen on is reached from this machine only."""
    try:
        found = socket.getaddrinfo(listen, None, flags=socket.AI_PASSIVE)
        return all(ip_address(str(name[0]).partition("%")[0]).is_loopback for *_, name in found)
    except (OSError, ValueError):
        return False


def open_limits(config: Config, index: Index) -> LimitsSource:
    """Open the limits of tenants: of the file, or of an index that is shared; raises InvalidSetting."""
    if config.access.limits is not None:
        return LimitsFile(config.access.limits)
    return IndexedLimits(index) if config.index else NoLimits()
