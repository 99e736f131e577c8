"""What is done with messages: returning means handled."""

from kafka_integration import Message, Reject


def greet(message: Message) -> None:
    visitor = message.json()
    if "name" not in visitor:
        raise Reject("a visitor without a name")  # kept as a dead letter, for somebody to look at
    print(f"Hello, {visitor['name']}!", flush=True)
