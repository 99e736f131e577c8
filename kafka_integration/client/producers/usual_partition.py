"""Where the client puts a key, unless the project chooses the partition."""

from __future__ import annotations

from confluent_kafka import murmur2


def usual_partition(key: bytes, partitions: int) -> int:
    """By ``murmur2_random``."""
    return int(murmur2(key, partitions))
