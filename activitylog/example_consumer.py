"""The consumer of the codealong: it prints what it gets.

Any module, class or function will do as a ``message_handler``; this is a module with ``handle_message``.
"""

from __future__ import annotations

from kafka_integration import Message


def handle_message(message: Message) -> None:
    """Prints the whole message, then its key and value: ``Metamorphosis: Franz Kafka``."""
    print(message.as_dict(), flush=True)
    print(f"{message.key}: {message.value}", flush=True)
