"""What kcat, a client that nobody here wrote, sends to a topic of a real Kafka, a handler gets: the same bytes."""

from __future__ import annotations

import json
import time

import pytest

from tests.broker.jobs import told, wait_told


def test_key_headers_partition_and_bytes_arrive_as_they_were_sent(jobs, kcat, create_topic):
    topic = create_topic()
    before = int(time.time() * 1000)
    kcat.produce(topic, "Größe: 5 €", key="schlüssel", headers=[("a", "1"), ("a", "2"), ("leer", "")], partition=2)

    (got,) = jobs.catch_up(topic)

    assert (got.topic, got.partition, got.offset) == (topic, 2, 0)
    assert got.key == "schlüssel".encode()
    assert got.text == "Größe: 5 €"
    assert got.headers == [("a", b"1"), ("a", b"2"), ("leer", b"")]
    assert before - 1000 <= got.ts <= int(time.time() * 1000) + 1000


@pytest.mark.parametrize("value", [b"\x00\xff\xfe", b"{" + b" " * 900_000 + b"}"], ids=["not UTF-8", "0.9 MB"])
def test_any_bytes_arrive(jobs, kcat, create_topic, value):
    topic = create_topic()
    kcat.produce(topic, value, partition=1)

    (got,) = jobs.catch_up(topic)

    assert got.value == value
    assert got.key is None


def test_a_tombstone_differs_from_an_empty_value(jobs, kcat, create_topic):
    topic = create_topic()
    kcat.run("-P", "-t", topic, "-p", "0", "-K", "\t", given=b"empty\t\n")
    kcat.run("-P", "-t", topic, "-p", "0", "-K", "\t", "-Z", given=b"tombstone\t\n")

    got = jobs.catch_up(topic)

    assert [(each.key, each.value) for each in got] == [(b"empty", b""), (b"tombstone", None)]


def test_messages_of_a_key_arrive_in_their_order(jobs, kcat, create_topic):
    topic = create_topic()
    sent = [(f"key-{number % 7}", str(number)) for number in range(2000)]
    kcat.produce_many(topic, sent)

    got = jobs.catch_up(topic)

    assert len(got) == 2000
    for key in {key for key, _ in sent}:
        assert [each.text for each in got if each.key == key.encode()] == [text for name, text in sent if name == key]
    assert jobs.committed(topic) == {n: sum(each.partition == n for each in got) for n in {e.partition for e in got}}


@pytest.mark.parametrize("handler", ["telling.tell_async", "telling.Batches"])
def test_the_other_shapes_of_handlers_get_the_same(jobs, kcat, create_topic, handler):
    topic = create_topic()
    kcat.produce_many(topic, [(str(number % 3), str(number)) for number in range(300)])

    got = jobs.catch_up(topic, message_handler=f"tests.workload.{handler}")

    assert sorted(int(each.text) for each in got) == list(range(300))


def test_several_lanes_share_the_partitions_and_keep_their_order(jobs, kcat, create_topic):
    topic = create_topic()
    kcat.produce_many(topic, [(str(number % 50), str(number)) for number in range(1000)])

    got = jobs.catch_up(topic, concurrency=3)

    assert len({each.thread for each in got}) == 3
    for partition in range(4):
        offsets = [each.offset for each in got if each.partition == partition]
        assert offsets == list(range(len(offsets)))


def test_what_a_handler_was_given_is_what_kcat_reads_back(jobs, kcat, create_topic):
    topic = create_topic()
    kcat.produce_many(topic, [(f"k{number}", json.dumps({"n": number})) for number in range(50)])

    got = jobs.catch_up(topic)

    read = {(record.partition, record.offset): (record.key, record.payload) for record in kcat.consume(topic)}
    assert {each.place: (each.key.decode(), each.text) for each in got} == read


def test_a_message_produced_while_it_runs_arrives_at_once(jobs, kcat, create_topic):
    topic = create_topic()
    run = jobs.run(topic)
    run.wait_for_output("caught up")

    kcat.produce(topic, "now")

    assert wait_told(1, run, timeout=5)[0].text == "now"
    assert run.terminate() == 0
    assert len(told(run)) == 1
