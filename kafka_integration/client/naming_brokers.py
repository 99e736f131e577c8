"""Naming brokers to a client that is there, for which the Python binding has no call."""

from __future__ import annotations

import ctypes

from confluent_kafka import cimpl

_CLIENTS = (cimpl.Consumer, cimpl.Producer)
_BrokersAdd = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)


def name_brokers(client: object, servers: str) -> bool:
    """Have a client that gave up all brokers look for some at ``servers``; False for what only wraps a client.

    Any thread may call. It is what librdkafka calls ``rd_kafka_brokers_add``: nothing that is queued or subscribed is
    touched, and what doesn't answer there is given up again.
    """
    if not isinstance(client, _CLIENTS):
        return False
    # The library that the binding itself uses: what is asked of one is looked up in those that it was linked with.
    add = _BrokersAdd(("rd_kafka_brokers_add", ctypes.CDLL(cimpl.__file__)))
    handle = _handle_of(client)
    return handle is not None and int(add(handle, servers.encode())) > 0


def _handle_of(client: object) -> int | None:
    """librdkafka's own, the first thing in the binding's objects since there are any (``Handle``); None once closed."""
    return ctypes.c_void_p.from_address(id(client) + object.__basicsize__).value
