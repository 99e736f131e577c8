"""A module that is a handler."""

from tests.unit import scripted


def handle_messages(messages):
    scripted.batches.append(messages)
