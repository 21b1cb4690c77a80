"""Settings of who may do what: tokens, TLS, JSON Web Tokens and their claims."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from spanlake.settings import kinds
from spanlake.settings.kinds import Kind
from spanlake.settings.setting import Program, setting
from spanlake.settings.units import InvalidSetting

_HOST = re.compile(r"[a-z0-9_.-]{1,253}|\[?[0-9a-f:.]{2,45}\]?", re.ASCII | re.IGNORECASE)
_ROLES = ("write", "read", "delete", "admin")
_SERVE, _EDGE, _INGEST, _QUERY = Program.SERVE, Program.EDGE, Program.INGEST, Program.QUERY


class HostNames(tuple[str, ...]):
    """Host names and addresses of a Host header, without ports."""

    __slots__ = ()


def parse_hosts(text: str) -> HostNames:
    """Read host names separated by commas; raises InvalidSetting."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if not _HOST.fullmatch(name):
            raise InvalidSetting(
                f"{name[:80]!r} is not a host name: write it without scheme and port, as traces.example"
            )
    return HostNames(names)


class TenantMap(tuple[tuple[str, str], ...]):
    """Names, each with a tenant; a name may occur several times."""

    __slots__ = ()

    def tenants_of(self, name: str) -> tuple[str, ...]:
        """Return the tenants of a name; without any names in the map, the name itself."""
        return tuple(tenant for known, tenant in self if known == name) if self else (name,)


def parse_tenant_map(text: str) -> TenantMap:
    """Read pairs such as ``name=tenant,name=tenant``; a name may occur several times. Raises InvalidSetting."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, tenant = part.rpartition("=")
        if not name or not tenant:
            raise InvalidSetting(f"{part[:80]!r} maps nothing: write NAME=TENANT, separated by commas")
        found.append((name, tenant))
    return TenantMap(found)


def parse_roles(text: str) -> tuple[str, ...]:
    """Read names of roles separated by commas, or ``none``; raises InvalidSetting."""
    names = () if text.strip() == "none" else tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in _ROLES:
            raise InvalidSetting(f"{name[:80]!r} is not a role: the roles are {', '.join(_ROLES)}")
    return names


HOSTS = Kind("NAMES", parse_hosts)
TENANT_MAP = Kind("VALUE=TENANT,...", parse_tenant_map)
ROLES = Kind("ROLES", parse_roles)
_GUARDED = _SERVE | _EDGE
_CLAIMS = _GUARDED | _INGEST | _QUERY


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Rules by which the claims of a JSON Web Token, or the name of an IAM principal, name tenants and roles."""

    tenant_claim: str = setting(
        "tenant-claim",
        kinds.TEXT,
        "tenant",
        "Claim of a JSON Web Token that names the tenant.",
        on=_CLAIMS,
        parameter="TenantClaim",
    )
    tenants: TenantMap = setting(
        "tenant-map",
        TENANT_MAP,
        "",
        "Tenants by value of that claim; without it the value is the tenant.",
        on=_CLAIMS,
        details="Of functions with IAM's signatures: by name of the role or user. The template's `TenantMap` puts it "
        "into the stage of the API.",
    )
    default_tenant: str = setting(
        "default-tenant",
        kinds.TEXT,
        "",
        "Tenant of JSON Web Tokens that name none; without it they are refused.",
        on=_CLAIMS,
        details="Of IAM principals too. The template's parameter is `DefaultTenant`.",
    )
    roles: tuple[str, ...] = setting(
        "jwt-roles",
        ROLES,
        "read,write",
        "Roles of JSON Web Tokens without a scope such as spanlake:read; none for no role.",
        on=_CLAIMS,
        details="The roles are `write`, `read`, `delete` and `admin`. The template's parameter is `JwtRoles`.",
    )


@dataclass(frozen=True, slots=True)
class JwtSettings:
    """Settings of JSON Web Tokens, which are not accepted without an issuer."""

    issuer: str = setting(
        "jwt-issuer",
        kinds.URL,
        "",
        "Issuer of JSON Web Tokens (OpenID Connect); none unless set.",
        on=_GUARDED,
        details="Its keys are those of its `.well-known/openid-configuration`.",
    )
    audience: str = setting(
        "jwt-audience",
        kinds.TEXT,
        "",
        "Audience (aud, or client_id) that JSON Web Tokens must be for.",
        on=_GUARDED,
    )
    rules: ClaimRules = field(default_factory=ClaimRules)

    def __post_init__(self) -> None:
        """Raise InvalidSetting when tokens that were issued for others would do, or keys come without TLS."""
        if self.issuer and not self.audience:
            raise InvalidSetting("--jwt-issuer needs --jwt-audience, or tokens that were issued for others would do")
        if self.issuer and not self.issuer.startswith(("https://", "http://127.0.0.1", "http://localhost")):
            raise InvalidSetting(f"--jwt-issuer: {self.issuer[:80]!r} is not a URL with https")


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Files for TLS, in PEM; without a certificate the ports speak plain text."""

    cert: Path | None = setting(
        "tls-cert",
        kinds.FILE,
        "",
        "Certificate of the TCP ports in PEM; without one, plain text.",
        on=_GUARDED,
        details="With the certificates of intermediate authorities. The files are read again when they change.",
    )
    key: Path | None = setting(
        "tls-key", kinds.FILE, "", "Key of the certificate in PEM, unless that file has it.", on=_GUARDED
    )
    client_ca: Path | None = setting(
        "tls-client-ca",
        kinds.FILE,
        "",
        "Authorities in PEM of the certificates that clients must have; without it they need none.",
        on=_GUARDED,
        details="The edge's port for probes asks for none.",
    )

    def __post_init__(self) -> None:
        """Raise InvalidSetting when a key or a client CA has no certificate."""
        if self.cert is None and (self.key or self.client_ca):
            raise InvalidSetting("TLS needs a certificate: name its file with --tls-cert")


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """Settings of who may do what. Without credentials anyone who reaches a port may do everything."""

    tokens: Path | None = setting(
        "tokens",
        kinds.FILE,
        "",
        "File of tokens, as `spanlake token` prints them; without one nobody is asked for a token.",
        on=_GUARDED,
        details="It is read again when it changes.",
    )
    tokens_secret: str = setting(
        "tokens-secret",
        kinds.TEXT,
        "",
        "ARN of the secret of AWS Secrets Manager that holds bearer tokens, in place of a file.",
        on=_GUARDED | Program.AUTHORIZE,
        required=Program.AUTHORIZE,
        details="It is read again every five minutes, and half a minute after an unknown token.",
    )
    allow_anonymous: bool = setting(
        "allow-anonymous", kinds.TRUTH, "false", "Serve other machines without credentials.", on=_GUARDED
    )
    allowed_hosts: HostNames = setting(
        "allowed-hosts",
        HOSTS,
        "",
        "Host names under which the server is reached, separated by commas.",
        on=_SERVE,
        details="On a loopback address `localhost` and names without a dot always are; elsewhere any is, unless set.",
    )
    limits: Path | None = setting(
        "limits",
        kinds.FILE,
        "",
        "File of limits of tenants in TOML; without one, those in a DynamoDB index, if there are any.",
        on=_GUARDED,
        details="It is read again when it changes. [Its limits](security.md#limits-of-tenants).",
    )
    udp_tenant: str = setting(
        "udp-tenant",
        kinds.TEXT,
        "",
        "Tenant of spans over UDP; default single-tenant, with credentials UDP is off.",
        on=_GUARDED,
    )
    tls: TlsSettings = field(default_factory=TlsSettings)
    jwt: JwtSettings = field(default_factory=JwtSettings)

    def __post_init__(self) -> None:
        """Raise InvalidSetting for tokens of a file and of a secret together."""
        if self.tokens is not None and self.tokens_secret:
            raise InvalidSetting("--tokens and --tokens-secret exclude each other: name one of them")

    @property
    def asks_credentials(self) -> bool:
        """True where requests need credentials."""
        return self.tokens is not None or bool(self.tokens_secret or self.jwt.issuer)
