"""A certificate authority of our own and what it signs, made by openssl."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    certificate: Path
    key: Path
    # Key and certificate in one PEM file, as Kafka's PEM key store wants them.
    bundle: Path


class CertificateAuthority:
    """Signs certificates; `certificate` is what clients are told to trust."""

    def __init__(self, directory: Path, name: str = "Test CA") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.certificate = directory / "ca.pem"
        self._key = directory / "ca.key"
        if self.certificate.exists():
            return  # the same one again
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", f"/CN={name}"),
            *("-keyout", str(self._key), "-out", str(self.certificate)),
        )

    def issue(self, name: str, *, dns: Sequence[str] = (), addresses: Sequence[str] = (), days: int = 30) -> KeyPair:
        """A key and a certificate for `name`, valid for these host names and IP addresses, and for so many days."""
        stem = self.directory / name
        key, request, certificate = (stem.with_suffix(suffix) for suffix in (".key", ".csr", ".crt"))
        extensions, bundle = stem.with_suffix(".ext"), stem.with_suffix(".pem")
        _openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        names = [f"DNS:{host}" for host in dns or () if host] + [f"IP:{address}" for address in addresses]
        extensions.write_text(f"subjectAltName={','.join(names or [f'DNS:{name}'])}\n")
        _openssl(
            *("x509", "-req", "-days", str(days), "-in", request, "-CA", self.certificate, "-CAkey", self._key),
            *("-CAcreateserial", "-extfile", extensions, "-out", certificate),
        )
        bundle.write_text(key.read_text() + certificate.read_text())
        return KeyPair(certificate=certificate, key=key, bundle=bundle)


def _openssl(*arguments: object) -> None:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed:\n{done.stderr}")
