"""Why a broker's certificate was refused: librdkafka says the same for every reason, Python's ``ssl`` tells."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any

_ADDRESS = re.compile(r"(?P<host>\[[^\]]+\]|[^\s:/\[\]]+):(?P<port>\d{1,5})(?=[/:\s]|$)")
_PROBE_SECONDS = 2.0


def find_address(text: str) -> tuple[str, int] | None:
    """The ``host:port`` that one of librdkafka's messages speaks of."""
    match = _ADDRESS.search(text)
    return (match["host"].strip("[]"), int(match["port"])) if match else None


def certificate_problem(address: tuple[str, int], properties: Mapping[str, Any]) -> str | None:
    """What is wrong with the certificate shown at ``address``, found by one handshake; None if that can't be told.

    ``properties`` are librdkafka's: the CA is the same that the client was given.
    """
    try:
        context = _context(properties)
        with (
            socket.create_connection(address, timeout=_PROBE_SECONDS) as connection,
            context.wrap_socket(connection, server_hostname=address[0]),
        ):
            return None
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except (OSError, ValueError):
        return None


def _context(properties: Mapping[str, Any]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    location, pem = properties.get("ssl.ca.location"), properties.get("ssl.ca.pem")
    if pem:
        context.load_verify_locations(cadata=str(pem))
    elif location and location != "probe":
        context.load_verify_locations(cafile=str(location))
    else:
        context.load_default_certs()
    return context
