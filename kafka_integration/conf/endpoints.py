"""Where the brokers are: every form of ``"endpoints"`` becomes ``host:port`` strings."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .connection import Transport
from .problems import Kind, Problems, kind_of, sentence, shown

EXAMPLE = '["localhost:9092"], "embedded" or "memory"'
CREDENTIALS = 'holds credentials: move them to "sasl": {"mechanism": …, "login": …, "password": …}'
SCHEMES = {"kafka": False, "kafka+ssl": True}
LAST_PORT = 65535
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?")


@dataclass(frozen=True, kw_only=True)
class Endpoints:
    """The brokers to begin with; ``tls`` is what ``kafka+ssl://`` asks for, None where no scheme was given."""

    transport: Transport = "kafka"
    servers: tuple[str, ...] = ()
    tls: bool | None = None


class _Bad(Exception):  # noqa: N818 - never leaves this module; becomes a Problem
    """One endpoint can't be used; the text follows its path."""


def parse_endpoints(value: Any, path: str, problems: Problems) -> Endpoints | None:
    """Return the endpoints that ``value`` stands for; None, and a problem for each bad one, where it can't be."""
    if value == "embedded" or value == "memory":
        return Endpoints(transport=value)
    if isinstance(value, str) and "@" in value:
        # Before it is taken to pieces: a password may hold a comma.
        problems.add(Kind.ENDPOINTS, f"{path} {CREDENTIALS}.")
        return None
    entries = _entries(value, path)
    if not entries:
        problems.add(Kind.ENDPOINTS, f"{path} {_nothing(value)}: say where Kafka is, like {EXAMPLE}.")
        return None
    servers: list[str] = []
    tls: set[bool] = set()
    for place, entry in entries:
        try:
            server, wants_tls = _server(entry)
        except _Bad as bad:
            problems.add(Kind.ENDPOINTS, f"{place} {sentence(bad)}")
        else:
            servers.append(server)
            if wants_tls is not None:
                tls.add(wants_tls)
    if len(tls) > 1:
        problems.add(Kind.ENDPOINTS, f"{path} mixes kafka:// and kafka+ssl://: use one scheme for all brokers.")
    if len(tls) > 1 or len(servers) != len(entries):
        return None
    return Endpoints(servers=tuple(dict.fromkeys(servers)), tls=tls.pop() if tls else None)


def _entries(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, str):
        return [(path, part.strip()) for part in value.split(",") if part.strip()]
    if isinstance(value, Mapping):
        return [(f"{path}[{'…' if '@' in str(host) else shown(host)}]", (host, port)) for host, port in value.items()]
    if isinstance(value, list | tuple):
        return [(f"{path}[{index}]", item) for index, item in enumerate(value)]
    return []


def _nothing(value: Any) -> str:
    return f"is {kind_of(value)}" if not isinstance(value, str | Mapping | list | tuple) else "is empty"


def _server(entry: Any) -> tuple[str, bool | None]:
    if "@" in str(entry):
        # Not echoed: what stands before the @ is a password.
        raise _Bad(CREDENTIALS)
    if isinstance(entry, str):
        return _server_of_text(entry)
    if isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str):
        host, port = entry
        return _joined(host.strip("[]"), port), None
    raise _Bad(f'is {kind_of(entry)}: use "host:9092" or ("host", 9092)')


def _server_of_text(entry: str) -> tuple[str, bool | None]:
    scheme, separator, rest = entry.rpartition("://")
    if separator and scheme not in SCHEMES:
        raise _Bad(f"is {shown(entry)}: use kafka:// or kafka+ssl:// or no scheme, not {scheme}://")
    if entry in {"embedded", "memory"}:
        raise _Bad(f'is "{entry}" among others: write "endpoints": "{entry}"')
    host, port = _split(rest.removesuffix("/"), entry)
    return _joined(host, port), SCHEMES.get(scheme)


def _split(address: str, entry: str) -> tuple[str, Any]:
    host, separator, port = address.rpartition(":")
    if address.startswith("[") and not host.endswith("]"):
        host, separator = address, ""
    if not address:
        raise _Bad(f'is {shown(entry)}, without a host: write something like "{entry}localhost:9092"')
    if not separator:
        close = difflib.get_close_matches(address.lower(), ("embedded", "memory"), n=1, cutoff=0.8)
        instead = f'; or did you mean "{close[0]}"?' if close else ""
        raise _Bad(f'is {shown(entry)}, without a port: write "{address}:9092"{instead}')
    if ":" in host and not host.startswith("["):
        raise _Bad(f'is {shown(entry)}: an IPv6 address stands in brackets, like "[::1]:9092"')
    return host.strip("[]"), int(port) if port.isascii() and port.isdigit() else port


def _joined(host: str, port: Any) -> str:
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port <= LAST_PORT:
        raise _Bad(f"has port {shown(port)}: a port is a number from 1 to {LAST_PORT}")
    if ":" in host:
        try:
            return f"[{ipaddress.IPv6Address(host)}]:{port}"
        except ValueError:
            raise _Bad(f"has host {shown(host)}: that is no IPv6 address") from None
    if not _HOST.fullmatch(host):
        raise _Bad(f"has host {shown(host)}: use a host name or an IP address")
    return f"{host}:{port}"
