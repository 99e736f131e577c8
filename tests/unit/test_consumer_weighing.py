"""What waiting messages weigh: keys, values, headers and what is around them, without reading every header."""

from __future__ import annotations

from confluent_kafka import Message as RawMessage

from kafka_integration.consuming.fetching.backpressure import MAX_HELD_BYTES
from kafka_integration.consuming.fetching.weighing import CAREFUL_RUNS, Weighing
from kafka_integration.sizes import HELD_MESSAGE_BYTES


def weigh(weighing: Weighing, headers: list[list[tuple[str, bytes]] | None]) -> int:
    raws = [
        RawMessage(topic="t", partition=0, offset=offset, key=b"k" * 10, value=b"v" * 90, headers=found)
        for offset, found in enumerate(headers)
    ]
    return weighing.weigh(raws)


def test_a_message_without_headers_weighs_its_key_its_value_and_what_is_around_them() -> None:
    assert weigh(Weighing(), [None] * 500) == 500 * (10 + 90 + 400)


def test_headers_of_one_size_are_counted_as_they_are() -> None:
    without = weigh(Weighing(), [None] * 500)

    assert weigh(Weighing(), [[("name", b"x" * 96)]] * 500) - without == 500 * (4 + 96 + 150)


def test_headers_of_several_sizes_are_estimated_within_a_few_runs() -> None:
    weighing = Weighing()
    headers: list[list[tuple[str, bytes]] | None] = [[("name", b"x" * (number % 50))] for number in range(500)]
    without = weigh(Weighing(), [None] * 500)

    mean = sum(weigh(weighing, headers) - without for _ in range(64)) / 64

    assert abs(mean - 500 * (4 + 24.5 + 150)) < 500 * 2


def test_a_lone_message_is_weighed_with_its_headers() -> None:
    assert weigh(Weighing(), [[("name", b"x" * 100_000)]]) > 100_000


def test_large_headers_are_all_counted_once_one_of_them_was_seen() -> None:
    weighing = Weighing()
    one_in_a_hundred: list[list[tuple[str, bytes]] | None] = [
        [("large", b"x" * 100_000)] if number % 100 == 37 else None for number in range(500)
    ]

    weights = [weigh(weighing, one_in_a_hundred) for _ in range(CAREFUL_RUNS)]

    assert all(weight > 500_000 for weight in weights[20:])


def test_few_heavy_messages_are_fetched_at_once_and_many_light_ones() -> None:
    weighing = Weighing()
    at_first = weighing.fetch_size
    for _ in range(20):
        weigh(weighing, [None] * 100)
    light = weighing.fetch_size

    weigh(weighing, [[("large", b"x" * 1024 * 1024)]])

    assert (at_first, light, weighing.fetch_size) == (16, 1000, 3)


def test_what_the_client_does_not_count_is_known_for_it() -> None:
    weighing = Weighing()
    seen = []

    for headers in (None, [("large", b"x" * 10_000)], None):
        weigh(weighing, [headers] * 10)
        seen.append(weighing.is_hidden_from_client)

    assert seen == [False, True, False]


def test_the_weight_of_ordinary_messages_pauses_nothing() -> None:
    # Four partitions that are full by number, with a batch_size of 500, of messages with 200 bytes.
    waiting = 4 * 2000 * (200 + 20 + HELD_MESSAGE_BYTES)
    weighing = Weighing()

    for _ in range(20):
        weigh(weighing, [None] * weighing.fetch_size)

    assert waiting < MAX_HELD_BYTES // 2
    assert (weighing.fetch_size, weighing.is_hidden_from_client) == (1000, False)


def test_small_headers_are_read_of_few_messages_only() -> None:
    weighing = Weighing()
    reads: list[RawMessage] = []

    class Counted(RawMessage):
        def headers(self) -> list[tuple[str, bytes]]:
            reads.append(self)
            return [("name", b"small")]

    weighing.weigh([Counted(topic="t", partition=0, offset=offset, value=b"v") for offset in range(500)])

    assert 0 < len(reads) <= 10


def test_large_keys_are_counted_all() -> None:
    raws = [RawMessage(topic="t", partition=0, offset=offset, key=b"k" * 4000, value=b"v") for offset in range(100)]

    assert Weighing().weigh(raws) == 100 * (4000 + 1 + HELD_MESSAGE_BYTES)
