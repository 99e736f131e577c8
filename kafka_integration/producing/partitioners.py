"""Partition strategies that librdkafka doesn't have: Kaffe's md5, and functions of the project."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable

from django.utils.module_loading import import_string

from ..errors import ConfigurationError, InvalidMessageError

Partitioner = Callable[[str, int, bytes | None, bytes | None], int]

OF_THE_CLIENT = frozenset({"murmur2_random", "random"})


def load_partitioner(strategy: str) -> Partitioner | None:
    """What chooses the partition by topic, number of partitions, key and value; None where the client does."""
    if strategy in OF_THE_CLIENT:
        return None
    return md5 if strategy == "md5" else _checked(strategy)


def md5(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    """Kaffe's partition for the key: the sum of its digest's 16 bytes; any one without a key."""
    if key is None:
        return random.randrange(partitions)
    return sum(hashlib.md5(key, usedforsecurity=False).digest()) % partitions


def _checked(path: str) -> Partitioner:
    try:
        function = import_string(path)
    except ImportError as error:
        raise ConfigurationError(
            [f'KAFKA["producer"]["partition_strategy"]: {path!r} can\'t be imported: {error}.']
        ) from error

    def partitioner(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
        try:
            partition = function(topic, partitions, key, value)
        except Exception as error:
            raise InvalidMessageError(
                f"topic {topic}: partition_strategy {path} raised {type(error).__name__}."
            ) from error
        if type(partition) is int and 0 <= partition < partitions:
            return partition
        raise InvalidMessageError(
            f"topic {topic}: partition_strategy {path} returned {partition!r:.40}: it has to return an int "
            f"from 0 to {partitions - 1}."
        )

    return partitioner
