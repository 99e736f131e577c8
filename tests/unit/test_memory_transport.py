"""`"endpoints": "memory"`: produce and consume in one process, without any broker."""

import threading

import pytest

from kafka_integration import produce, produce_sync
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop, Phase
from tests.waiting import wait_for

handled = []


def note(message):
    handled.append((message.key, message.value, message.partition, message.offset, threading.get_ident()))


@pytest.fixture(autouse=True)
def project(settings):
    audit = {"topics": ["orders"], "consumer_group": "audit", "message_handler": f"{__name__}.note"}
    settings.KAFKA = {"endpoints": "memory", "consumers": {"audit": audit}, "topics": {"orders": {"partitions": 2}}}
    handled.clear()
    memory_broker().reset()
    yield
    memory_broker().reset()


def catch_up():
    loop = ConsumerLoop(assemble(get_settings().consumers["audit"]), until_caught_up=True)
    loop.run()
    assert loop.fault is None
    return loop


def test_what_is_produced_is_handled_once():
    produce("orders", "v1", key="k")
    metadata = produce_sync("orders", "v2", key="k")

    catch_up()
    catch_up()

    partition = metadata.partition
    assert [message[:4] for message in handled] == [("k", "v1", partition, 0), ("k", "v2", partition, 1)]
    assert memory_broker().committed("audit", "orders", partition) == 2


def test_a_running_consumer_gets_what_comes_and_stops_when_asked():
    produce("orders", "first")
    loop = ConsumerLoop(assemble(get_settings().consumers["audit"]))
    thread = threading.Thread(target=loop.run)
    thread.start()
    try:
        wait_for(lambda: len(handled) == 1)
        produce("orders", "second")
        wait_for(lambda: len(handled) == 2)
    finally:
        loop.stop()
        thread.join(20)

    assert [value for _, value, *_ in handled] == ["first", "second"]
    assert (loop.phase, loop.fault) == (Phase.STOPPED, None)
