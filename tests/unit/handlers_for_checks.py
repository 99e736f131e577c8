"""What the settings of the tests name by dotted path."""

from __future__ import annotations

from typing import Any

from kafka_integration import Message

a_number = 5


class Refused(Exception):  # noqa: N818 - stands for an exception of a project
    pass


def one(message: Message) -> None:
    pass


async def asynchronous(message: Message) -> None:
    pass


class Batch:
    def handle_messages(self, messages: list[Message]) -> None:
        pass


def decode(data: bytes) -> Any:
    return data


def partition(topic: str, partitions: int, key: bytes | None, value: bytes | None) -> int:
    return 0


def partition_as_kaffe_has_it(topic: str, current: int, partitions: int, key: str, value: str) -> int:
    return current


class WithoutHandle:
    pass
