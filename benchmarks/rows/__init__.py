"""The rows of the benchmark. How many messages a contender is given is what takes it one to three seconds."""

from __future__ import annotations

from .consuming import ASYNC, BATCH, JSON, MESSAGE
from .operating import OPERATING, OPERATING_BY_KEY
from .processes import LATENCY, MEMORY, STARTING
from .producing import PRODUCE, RELAY
from .saving import ORDERS, SINK, WAITING_ORDERS
from .waiting import SLEEPING, SLEEPING_ASYNC

ROWS = (
    MESSAGE,
    BATCH,
    JSON,
    ASYNC,
    OPERATING,
    OPERATING_BY_KEY,
    SLEEPING,
    SLEEPING_ASYNC,
    PRODUCE,
    RELAY,
    ORDERS,
    WAITING_ORDERS,
    SINK,
    LATENCY,
    MEMORY,
    STARTING,
)
