"""The secured listeners of a test cluster: SASL, TLS and ACLs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.services.certificates import CertificateAuthority, KeyPair

_LOGIN_MODULES = "org.apache.kafka.common.security"
_SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")

# Each secured listener and its protocol. MISNAMED shows a certificate that is for another host.
LISTENERS = {"SASL": "SASL_PLAINTEXT", "TLS": "SSL", "SASL_TLS": "SASL_SSL", "MISNAMED": "SASL_SSL"}


@dataclass(frozen=True, kw_only=True)
class KafkaSecurity:
    """Users may log in by PLAIN and by SCRAM; with `acls`, only `superusers` may do what no ACL allows.

    The plain listener stays, for the brokers among themselves and for a test's own administration: whoever comes
    through it is User:ANONYMOUS, a superuser.
    """

    users: Mapping[str, str] = field(default_factory=lambda: {"alice": "alice-secret"})
    superusers: tuple[str, ...] = ()
    acls: bool = False


@dataclass(frozen=True, kw_only=True)
class SecurityFiles:
    """`ca` is trusted by the brokers and to be trusted by clients; `client` is a key pair for a client."""

    ca: Path
    server: KeyPair
    misnamed: KeyPair
    client: KeyPair

    @classmethod
    def make(cls, directory: Path) -> SecurityFiles:
        authority = CertificateAuthority(directory)
        return cls(
            ca=authority.certificate,
            server=authority.issue("server", dns=["localhost"], addresses=["127.0.0.1"]),
            misnamed=authority.issue("misnamed", dns=["elsewhere.example"]),
            client=authority.issue("client"),
        )


def security_properties(security: KafkaSecurity, files: SecurityFiles) -> dict[str, object]:
    """What a broker's server.properties needs for the secured listeners."""
    properties: dict[str, object] = {
        "sasl.enabled.mechanisms": ",".join(("PLAIN", *_SCRAM)),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": files.server.bundle,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": files.ca,
        "ssl.client.auth": "requested",
        "listener.name.misnamed.ssl.keystore.type": "PEM",
        "listener.name.misnamed.ssl.keystore.location": files.misnamed.bundle,
    }
    for name, protocol in LISTENERS.items():
        if protocol.startswith("SASL"):
            properties |= _logins(name.lower(), security)
    if security.acls:
        superusers = ("ANONYMOUS", *security.superusers)
        properties |= {
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": ";".join(f"User:{name}" for name in superusers),
            "allow.everyone.if.no.acl.found": "false",
        }
    return properties


def scram_arguments(security: KafkaSecurity) -> list[str]:
    """For the formatting of the storage: SCRAM credentials live in the cluster's metadata."""
    return [
        argument
        for name, password in security.users.items()
        for mechanism in _SCRAM
        for argument in ("--add-scram", f"{mechanism}=[name={name},password={password}]")
    ]


def _logins(listener: str, security: KafkaSecurity) -> dict[str, object]:
    users = " ".join(f'user_{name}="{password}"' for name, password in security.users.items())
    prefix = f"listener.name.{listener}"
    scram = f"{_LOGIN_MODULES}.scram.ScramLoginModule required;"
    return {
        f"{prefix}.plain.sasl.jaas.config": f"{_LOGIN_MODULES}.plain.PlainLoginModule required {users};",
        **{f"{prefix}.{mechanism.lower()}.sasl.jaas.config": scram for mechanism in _SCRAM},
    }
