"""Quotas of a broker, set by the one request that Python's client has no call for: AlterClientQuotas (KIP-546)."""

from __future__ import annotations

import socket
import struct

_ALTER_CLIENT_QUOTAS, _VERSION, _CORRELATION = 49, 0, 1


def set_quota(port: int, *, bytes_per_second: float | None, of: str = "consumer") -> None:
    """So much the clients of each name may read or, ``of="producer"``, write; None: as much as they like."""
    request = b"".join(
        (
            struct.pack(">hhi", _ALTER_CLIENT_QUOTAS, _VERSION, _CORRELATION),
            _text("quotas"),
            struct.pack(">i", 1),
            # The default of all client ids.
            struct.pack(">i", 1) + _text("client-id") + _text(None),
            struct.pack(">i", 1) + _text(f"{of}_byte_rate"),
            struct.pack(">d?", bytes_per_second or 0.0, bytes_per_second is None),
            struct.pack(">?", False),
        )
    )
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        answer = connection.recv(4096)
    # After length, correlation, throttle time and the number of entries.
    (error,) = struct.unpack_from(">h", answer, 16)
    assert error == 0, f"the broker refused the quota, with error {error}"


def _text(text: str | None) -> bytes:
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()
