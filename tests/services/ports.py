"""Ports on loopback that stay free for a service over its restarts."""

from __future__ import annotations

import random
import socket

# Below the range that the kernel hands to outgoing connections: none of them can take a stopped service's port.
_CANDIDATES = range(15000, 32000)
_taken: set[int] = set()


def free_port() -> int:
    """A port nobody listens on and this process did not hand out before."""
    # Not the seeded generator of the tests: two test runs side by side must not choose alike.
    chance = random.SystemRandom()
    while True:
        port = chance.choice(_CANDIDATES)
        if port not in _taken and _is_free(port):
            _taken.add(port)
            return port


def accepts_connections(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
