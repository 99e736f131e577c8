"""A program for `valgrind --tool=callgrind`: what a message costs between a fetch and the end of its handler.

It imports everything once and then forks: a child that does nothing, one that calls the handler in a bare loop, one
that takes the way of a consumer, and those of `instructions_of_observing`. Each is counted by itself, so that what they
have in common cancels out.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from functools import partial

import django
from confluent_kafka import Message as RawMessage
from django.conf import settings

from kafka_integration.client.fetched import events_apart, runs_of
from kafka_integration.consuming.fetching.weighing import Weighing
from kafka_integration.consuming.handling.invoking import EachMessage
from kafka_integration.consuming.offsets.ledger import Ledger
from kafka_integration.consuming.ordering.line import Line
from kafka_integration.message import Decoding, Message
from kafka_integration.messages import objects_of
from tests.unit import instructions_of_observing as observing

MESSAGES = 2_000
FETCH = 500


def main() -> None:
    settings.configure(
        INSTALLED_APPS=["kafka_integration"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        KAFKA={"endpoints": "memory", "consumers": {each: observing.consumer(each) for each in ("partition", "key")}},
    )
    django.setup()
    raws = [
        RawMessage(topic="bench", partition=0, offset=offset, key=b"key-%d" % offset, value=b"x" * 200)
        for offset in range(MESSAGES)
    ]
    fetches = [raws[start : start + FETCH] for start in range(0, MESSAGES, FETCH)]
    observed = [partial(observing.consume, *way) for way in observing.WAYS]
    # The collector would come at moments that the number of objects decides, which is another with each version.
    gc.disable()
    # What is done once, as importing a database's backend, is no part of what a message costs.
    for work in (bare, consumed, *observed):
        work(fetches[:1])
    _in_a_child(lambda: None)
    for work in (bare, consumed):
        _in_a_child(partial(work, fetches))
    # By key a message takes twenty times as many, and valgrind fifty times as long.
    for work in observed:
        _in_a_child(partial(work, fetches[: observing.MESSAGES // FETCH]))


def bare(fetches: list[list[RawMessage]]) -> None:
    """The least that a handler of messages can cost: an error is looked for, a message made, the handler called."""
    decoding = Decoding(key=bytes, value=bytes)
    for fetch in fetches:
        for raw in fetch:
            if raw.error() is None:
                handle(Message(raw, decoding))


def consumed(fetches: list[list[RawMessage]]) -> None:
    """As the loop takes a fetch and its lane handles it."""
    decoding, line, ledger, weighing = Decoding(key=bytes, value=bytes), Line(), Ledger(0), Weighing()
    invoker = EachMessage(handle, path="bench", may_hold_back=True)
    for fetch in fetches:
        raws, _ = events_apart(fetch, place="bench")
        for _, run in runs_of(raws, among={"bench"}):
            wanted = ledger.unfinished(run)
            ledger.take(run[-1].offset() + 1, wanted)
            line.put(objects_of(wanted, decoding), weighing.weigh(wanted))
        chunk = line.take(FETCH)
        progress = invoker.run(chunk.messages, line, ledger)
        line.end(progress.done)
    assert ledger.finished == sum(map(len, fetches))


def handle(message: Message) -> None:
    len(message.value_bytes)


def _in_a_child(work: Callable[[], None]) -> None:
    if pid := os.fork():
        assert os.waitpid(pid, 0)[1] == 0
        print(pid, flush=True)
    else:
        work()
        os._exit(0)


if __name__ == "__main__":
    main()
