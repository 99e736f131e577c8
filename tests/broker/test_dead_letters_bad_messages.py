"""Messages that PostgreSQL itself can't take.

A value nested 20,000 levels deep exhausts the server's stack (54001), which is an operational error to Django and
looks like an outage; text with U+0000 never reaches it; numbers overflow. None of this heals by waiting. Each becomes
a dead letter with its bytes, key and headers, at once, and the next message is handled. Odd messages that are not bad
take effect as they are.
"""

from __future__ import annotations

import json

import psycopg
import pytest
from confluent_kafka import Producer

from tests.bad_messages import GOOD, HEADERS
from tests.faults.watching import resident_mib
from tests.waiting import wait_for

BAD = [
    ("text", b"\xff\xfe", "DecodeError", ""),
    ("text", b"a\x00b", "DataError", ""),
    ("jsonb", b'{"a": ', "DataError", "22P02"),
    ("jsonb", b"[" * 20_000 + b"]" * 20_000, "OperationalError", "54001"),
    ("jsonb", b"[" * 100_000 + b"]" * 100_000, "OperationalError", "54001"),
    ("jsonb", b'{"a": NaN}', "DataError", "22P02"),
    ("jsonb", b'{"a": Infinity}', "DataError", "22P02"),
    ("jsonb", b'"a\\u0000b"', "DataError", "22P05"),
    ("jsonb", b'"\\ud800"', "DataError", "22P02"),
    ("bigint", b'{"n": 9223372036854775808}', "DataError", "22003"),
    ("bigint", b'{"n": 1e400}', "DataError", "22003"),
    ("bigint", b'{"n": ' + b"7" * 5000 + b"}", "DataError", "22003"),
    ("bigint", b"5", None, ""),  # a scalar has no "n": NULL, which is no failure
    ("timestamp", b"2026-13-45", "DataError", "22008"),
]
ROUNDS = 50


def send(scenario, *records):
    producer = Producer({"bootstrap.servers": scenario.bootstrap, "log_level": 0})
    for value, key, headers in records:
        producer.produce(scenario.topic, value, key, 0, headers=headers)
    assert producer.flush(30) == 0


def letters_of(scenario):
    columns = '"offset", key, value, headers, exception, reason, attempts, traceback'
    query = f"SELECT {columns} FROM kafka_integration_deadletter WHERE topic = %s ORDER BY 1"
    with psycopg.connect(scenario.database_url) as connection:
        return connection.execute(query.encode(), [scenario.topic]).fetchall()


@pytest.mark.parametrize("options", [{}, {"offset_storage": "database"}, {"deduplicate": True}], ids=str)
def test_each_is_parked_whole_and_the_next_is_handled(scenario, options):
    scenario.consumer |= {
        "message_handler": "tests.workload.statements.execute",
        "key_deserializer": "bytes",
        "retry": {"attempts": 2, "backoff_seconds": 0.01},
        **options,
    }
    good = (b'{"n": 1}', b"good", [("as", b"bigint")])
    bad = [(value, b"key", [("as", kind.encode()), *HEADERS]) for kind, value, _, _ in BAD]
    send(scenario, *(record for pair in ((b, good) for b in bad) for record in pair))

    worker = scenario.worker("--until-caught-up")

    assert worker.wait(90) == 0, worker.tail()
    letters = {letter[0]: letter[1:] for letter in letters_of(scenario)}
    for index, (kind, value, exception, code) in enumerate(BAD):
        if exception is None:
            assert 2 * index not in letters
            continue
        key, kept, headers, name, reason, attempts, traceback = letters[2 * index]
        assert (bytes(key), bytes(kept)) == (b"key", value)
        assert [header for header, _ in headers] == ["as", *(header for header, _ in HEADERS)]
        assert name.rpartition(".")[2] == exception, kind
        assert attempts == 2
        assert code in reason
        assert "statements.py" in traceback
        assert value[:50].decode(errors="replace") not in traceback
    assert scenario.effects.offsets()[0] >= {2 * index + 1 for index in range(len(BAD))}
    assert "waits" not in worker.output(), "a bad message was taken for an outage"


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("options", [{}, {"offset_storage": "database"}], ids=str)
def test_however_many_there_are_memory_stays_flat(scenario, options):
    scenario.consumer |= {
        "message_handler": "tests.workload.statements.execute",
        "key_deserializer": "bytes",
        "retry": {"attempts": 1},
        **options,
    }
    bad = [(value, b"key", [("as", kind.encode())]) for kind, value, exception, _ in BAD if exception]
    worker = scenario.worker()
    # As many at first, so that what is fetched ahead is no growth.
    send(scenario, *bad * ROUNDS)
    wait_for(lambda: scenario.effects.dead_letters() == ROUNDS * len(bad), 100, worker.tail, interval=1)
    before = resident_mib(worker.pid)

    send(scenario, *bad * ROUNDS)
    wait_for(lambda: scenario.effects.dead_letters() == 2 * ROUNDS * len(bad), 100, worker.tail, interval=1)

    grown = resident_mib(worker.pid) - before
    print(f"{ROUNDS * len(bad)} bad messages, {grown:.1f} MiB more")
    assert grown < 20


@pytest.mark.parametrize("storage", ["kafka", "database"])
def test_every_byte_survives_postgresql_and_a_replay(scenario, storage):
    scenario.consumer |= {
        "message_handler": "tests.workload.handlers.each",
        "key_deserializer": "bytes",
        "offset_storage": storage,
        "retry": {"attempts": 1},
    }
    # No JSON document among them: the handler fails at each.
    odd = [sent for sent in GOOD if sent.value]
    send(scenario, *((sent.value, sent.key, list(sent.headers)) for sent in odd))
    worker = scenario.worker("--until-caught-up")
    assert worker.wait(60) == 0, worker.tail()

    for sent, letter in zip(odd, letters_of(scenario), strict=True):
        _, key, value, headers, *_ = letter
        assert (None if key is None else bytes(key), bytes(value)) == (sent.key, sent.value)
        assert [name for name, _ in headers] == [name for name, _ in sent.headers]

    consumer = {"workload": {**scenario.consumer, "message_handler": "tests.workload.handlers.nothing"}}
    replay = scenario.command("kafkadeadletters", "replay", "--all", "--json", consumers=consumer)
    assert replay.wait() == 0, replay.tail()
    assert json.loads(replay.output())["changed"] == len(odd)
    worker = scenario.ready_worker(message_handler="tests.workload.handlers.nothing")
    wait_for(lambda: states_of(scenario) == {"handled"}, 30, worker.tail)


def states_of(scenario):
    query = b"SELECT DISTINCT state FROM kafka_integration_deadletter WHERE topic = %s"
    with psycopg.connect(scenario.database_url) as connection:
        return {state for (state,) in connection.execute(query, [scenario.topic])}
