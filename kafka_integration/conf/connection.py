"""A connection as the code sees it: frozen, checked, complete."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .frozen import EMPTY

Transport = Literal["kafka", "embedded", "memory"]


@dataclass(frozen=True, kw_only=True)
class Tls:
    """TLS of a connection; ``ca``, ``cert`` and ``key`` are file paths or PEM text.

    ``verify`` False trusts any certificate; ``verify_hostname`` False only one that was issued to another name.
    ``places`` says where the three were given, for messages.
    """

    ca: str | None = None
    # Its PEM text may hold the key as well.
    cert: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    verify: bool = True
    verify_hostname: bool = True
    places: Mapping[str, str] = field(default=EMPTY, repr=False, compare=False)

    def place(self, name: str) -> str:
        """Where ``name`` was given, as a message names it."""
        return self.places.get(name, f'KAFKA["ssl"]["{name}"]')


@dataclass(frozen=True, kw_only=True)
class Sasl:
    """SASL credentials; ``mechanism`` is Kafka's name ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER").

    ``path`` says where they were given, for messages.
    """

    mechanism: str
    login: str | None = None
    password: str | None = field(default=None, repr=False)
    path: str = field(default='KAFKA["sasl"]', repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Connection:
    """Where the brokers are and how to get in; ``config`` holds raw librdkafka properties, the last word."""

    transport: Transport = "kafka"
    servers: tuple[str, ...] = ()
    tls: Tls | None = None
    sasl: Sasl | None = None
    config: Mapping[str, Any] = field(default=EMPTY, repr=False)
