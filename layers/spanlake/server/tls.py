"""TLS of the listeners: certificate, key and client CA from files, read again when they change."""

import logging
import ssl
from collections.abc import Sequence
from pathlib import Path

from spanlake.settings.access import TlsSettings
from spanlake.settings.units import InvalidSetting

_HTTP, _GRPC = ("http/1.1",), ("h2",)

_log = logging.getLogger(__name__)


class Tls:
    """Contexts of the listeners, current from one connection to the next."""

    def __init__(self, settings: TlsSettings) -> None:
        """Read the files; raises InvalidSetting when they cannot be used."""
        self._settings = settings
        self._files = [path for path in (settings.cert, settings.key, settings.client_ca) if path is not None]
        try:
            self._seen = self._versions()
            self._http = _Renewed(settings, _HTTP)
            self._grpc = _Renewed(settings, _GRPC)
            self._probes = _Renewed(TlsSettings(settings.cert, settings.key), _HTTP)
        except OSError as error:  # SSLError is one
            raise InvalidSetting(f"the files for TLS cannot be used: {_reason(error, self._files)}") from None

    @property
    def http(self) -> ssl.SSLContext:
        """The context of ports that speak HTTP."""
        return self._http.context

    @property
    def grpc(self) -> ssl.SSLContext:
        """The context of ports that speak gRPC."""
        return self._grpc.context

    @property
    def probes(self) -> ssl.SSLContext:
        """The context of a port for probes, which have no certificates."""
        return self._probes.context

    def refresh(self) -> None:
        """Read the files again if they have changed; what cannot be used leaves the former in use."""
        try:
            seen = self._versions()
            if seen == self._seen:
                return
            self._seen = seen
            for context in (self._http, self._grpc, self._probes):
                context.renew()
        except OSError as error:
            _log.error("TLS files not reloaded", extra={"reason": _reason(error, self._files)})
            return
        _log.info("TLS files reloaded", extra={"cert": str(self._settings.cert)})

    def _versions(self) -> list[tuple[int, int, int]]:
        found = [path.stat() for path in self._files]
        return [(one.st_mtime_ns, one.st_size, one.st_ino) for one in found]


class _Renewed:
    """A context whose handshakes use the newest certificate and client CA."""

    def __init__(self, settings: TlsSettings, protocols: Sequence[str]) -> None:
        self._settings = settings
        self._protocols = protocols
        self._newest = self.context = _context(settings, protocols)
        self.context.sni_callback = self._switch  # called in every handshake, also without a server name

    def renew(self) -> None:
        """Use the files as they are now; raises OSError."""
        self._newest = _context(self._settings, self._protocols)

    def _switch(self, connection: ssl.SSLObject, _: str | None, __: ssl.SSLContext) -> None:
        connection.context = self._newest


def _context(settings: TlsSettings, protocols: Sequence[str]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert settings.cert is not None
    context.load_cert_chain(settings.cert, settings.key, password=_no_password)
    if settings.client_ca is not None:
        context.load_verify_locations(settings.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(list(protocols))
    return context


def _no_password() -> str:
    """Refuse an encrypted key, for which OpenSSL would ask on the terminal."""
    raise OSError(0, "the key is encrypted")


def _reason(error: OSError, files: Sequence[Path]) -> str:
    return f"{error.strerror or error} ({', '.join(map(str, files))})"
