"""Settings that are right each by itself and wrong together, and raw properties that would break a promise."""

from __future__ import annotations

from typing import Any

import pytest

from kafka_integration.conf import find_problems
from kafka_integration.conf.problems import Kind
from kafka_integration.conf.reserved_properties import RESERVED
from tests.unit.kafka_settings import CONSUMER, problems_of, with_consumer, with_producer

pytestmark = pytest.mark.usefixtures("project_alone")

AUDIT = 'KAFKA["consumers"]["audit"]'

CONSUMER_CONTRADICTIONS = {
    "a poll interval below the session's timeout": (
        {"config": {"max.poll.interval.ms": 20_000, "session.timeout.ms": 30_000}},
        f'{AUDIT}["config"]["max.poll.interval.ms"]: max.poll.interval.ms is 20000, below session.timeout.ms 30000',
    ),
    "a poll interval below the default session's timeout": (
        {"config": {"max.poll.interval.ms": "20000"}},
        "below session.timeout.ms 45000",
    ),
    "a session's timeout above the default poll interval": (
        {"config": {"session.timeout.ms": 400_000}},
        f'{AUDIT}["config"]["session.timeout.ms"]: max.poll.interval.ms is 300000, below session.timeout.ms 400000',
    ),
    "a heartbeat as long as the session": (
        {"config": {"heartbeat.interval.ms": 45_000}},
        "is 45000, not below session.timeout.ms 45000: use a third of it.",
    ),
    "the consumer protocol with a session timeout": (
        {"group_protocol": "consumer", "config": {"session.timeout.ms": 30_000}},
        f'{AUDIT}["config"]["session.timeout.ms"] doesn\'t go with "group_protocol": "consumer"',
    ),
    "the consumer protocol with a heartbeat": (
        {"group_protocol": "consumer", "config": {"heartbeat.interval.ms": 3_000}},
        f'{AUDIT}["config"]["heartbeat.interval.ms"] doesn\'t go with "group_protocol": "consumer"',
    ),
    "the consumer protocol with an assignor of the client": (
        {"group_protocol": "consumer", "config": {"partition.assignment.strategy": "range"}},
        'remove it, or use "group.remote.assignor".',
    ),
    "either protocol with a heartbeat as long as a classic session": (
        {"group_protocol": "auto", "config": {"heartbeat.interval.ms": 45_000}},
        "is 45000, not below session.timeout.ms 45000: use a third of it.",
    ),
    "either protocol with a pattern that means other topics to each": (
        {"group_protocol": "auto", "topics": ["^orders"]},
        f'{AUDIT}["topics"] has "^orders", which "group_protocol": "auto" doesn\'t take: a classic group reads the',
    ),
    "either protocol with a pattern that ends like one of whole names": (
        {"group_protocol": "auto", "topics": [r"^orders\.+"]},
        'end it with ".*" or "$", with alternatives in parentheses.',
    ),
    "either protocol with a pattern of alternatives": (
        {"group_protocol": "auto", "topics": ["^orders|^clicks.*"]},
        'has "^orders|^clicks.*"',
    ),
    "assignors of two kinds": (
        {"config": {"partition.assignment.strategy": "range, cooperative-sticky"}},
        "mixes cooperative-sticky with others",
    ),
    "a drain as long as the poll interval": (
        {"rebalance_drain_seconds": 300},
        f'{AUDIT}["rebalance_drain_seconds"] is 300, not below max.poll.interval.ms 300000',
    ),
    "one transaction for messages that are handled side by side": (
        {"ordering": "key", "transaction": "batch", "offset_storage": "database"},
        f'{AUDIT}["transaction"] is "batch", but under "ordering": "key" messages are handled side by side',
    ),
    "a dead-letter topic that the consumer reads": (
        {"dead_letter_topic": "orders"},
        f'{AUDIT}["dead_letter_topic"] is "orders", which the consumer itself reads ("orders")',
    ),
    "a dead-letter topic that a pattern of the consumer matches": (
        {"topics": ["^ord.*"], "dead_letter_topic": "orders.dead"},
        'which the consumer itself reads ("^ord.*")',
    ),
    "a database that isn't there": (
        {"database": "analytics"},
        f'{AUDIT}["database"] is "analytics": settings.DATABASES has "default".',
    ),
}


@pytest.mark.parametrize("case", CONSUMER_CONTRADICTIONS)
def test_a_contradiction_in_a_consumer_is_a_problem(case: str, settings: Any) -> None:
    keys, expected = CONSUMER_CONTRADICTIONS[case]

    problems = problems_of(settings, with_consumer(**keys))

    assert len(problems) == 1, problems
    assert expected in problems[0]


def test_what_belongs_to_classic_groups_may_stay_where_the_embedded_broker_is_used(settings: Any) -> None:
    kafka = with_consumer(config={"session.timeout.ms": 30_000, "partition.assignment.strategy": "cooperative-sticky"})

    assert problems_of(settings, kafka) == []
    assert problems_of(settings, {**kafka, "endpoints": "embedded"}) == []


PRODUCER_CONTRADICTIONS = {
    "idempotence with acks 1": (
        {"required_acks": 1, "config": {"enable.idempotence": True}},
        'KAFKA["producer"]["config"]["enable.idempotence"] is on, but the acks are 1',
    ),
    "idempotence with raw acks": ({"config": {"enable.idempotence": "true", "acks": "1"}}, "but the acks are 1"),
    "idempotence without retries": (
        {"max_retries": 0, "config": {"enable.idempotence": True}},
        "but there are no retries",
    ),
    "too many requests in flight": (
        {"config": {"max.in.flight": 10}},
        'KAFKA["producer"]["config"]["max.in.flight"] is 10: an idempotent producer has at most 5',
    ),
    "no gaps without idempotence": (
        {"required_acks": 1, "config": {"enable.gapless.guarantee": True}},
        '["enable.gapless.guarantee"] needs an idempotent producer',
    ),
    "waiting longer than a message lives": (
        {"linger_ms": 500, "config": {"delivery.timeout.ms": 400}},
        'KAFKA["producer"]["linger_ms"] is 500, not below message.timeout.ms 400',
    ),
}


@pytest.mark.parametrize("case", PRODUCER_CONTRADICTIONS)
def test_a_contradiction_in_the_producer_is_a_problem(case: str, settings: Any) -> None:
    keys, expected = PRODUCER_CONTRADICTIONS[case]

    problems = problems_of(settings, with_producer(**keys))

    assert len(problems) == 1, problems
    assert expected in problems[0]


@pytest.mark.parametrize(
    "keys",
    [
        {"required_acks": 1},
        {"max_retries": 0},
        {"required_acks": 1, "config": {"max.in.flight": 10}},
        {"config": {"max.in.flight": 10, "enable.idempotence": False}},
        {"config": {"enable.idempotence": True, "enable.gapless.guarantee": True}},
    ],
)
def test_a_producer_without_idempotence_is_a_choice(keys: dict[str, Any], settings: Any) -> None:
    assert problems_of(settings, with_producer(**keys)) == []


WRONG_VALUES = {
    "enable.auto.commit": True,
    "auto.commit.enable": "true",
    "enable.auto.offset.store": True,
    "enable.partition.eof": False,
    "offset.store.method": "file",
    "delivery.report.only.error": True,
    "queuing.strategy": "lifo",
}
HARMLESS_VALUES = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": "false",
    "enable.partition.eof": True,
    "queuing.strategy": "fifo",
}


@pytest.mark.parametrize("name", RESERVED)
def test_a_property_that_would_break_a_promise_or_has_a_key_of_ours_is_a_problem(name: str, settings: Any) -> None:
    problems = problems_of(settings, with_consumer(config={name: WRONG_VALUES.get(name, "x")}))

    assert len(problems) == 1, problems
    assert problems[0].startswith(f'{AUDIT}["config"]["{name}"] can\'t be set: ')
    assert find_problems()[0].kind == Kind.RESERVED_PROPERTY


def test_a_reserved_property_with_the_value_it_has_anyway_is_no_problem(settings: Any) -> None:
    assert problems_of(settings, {"endpoints": ["h:1"], "config": HARMLESS_VALUES}) == []


def test_a_property_at_the_top_is_reported_once_and_at_the_top(settings: Any) -> None:
    problems = problems_of(
        settings,
        {
            "endpoints": ["h:1"],
            "config": {"enable.auto.commit": True},
            "consumers": {"a": CONSUMER, "b": {**CONSUMER, "consumer_group": "b"}},
        },
    )

    assert len(problems) == 1
    assert problems[0].startswith('KAFKA["config"]["enable.auto.commit"] ')


def test_two_consumers_of_one_group_are_not_one_static_member(settings: Any) -> None:
    static = {**CONSUMER, "config": {"group.instance.id": "web-1"}}

    problems = problems_of(settings, {"endpoints": ["h:1"], "consumers": {"a": static, "b": static}})

    assert len(problems) == 1, problems
    assert problems[0].startswith(
        'KAFKA["consumers"]["b"]["config"]["group.instance.id"] is "web-1" for the consumers "a" and "b" of the group'
    )
    assert problems[0].endswith("each would throw the other out; give each its own.")


def test_a_static_id_for_all_is_one_too_many_only_within_a_group(settings: Any) -> None:
    kafka = {"endpoints": ["h:1"], "config": {"group.instance.id": "web-1"}}
    other = {**CONSUMER, "consumer_group": "another"}

    assert problems_of(settings, {**kafka, "consumers": {"a": CONSUMER, "b": other}}) == []
    assert problems_of(settings, {**kafka, "consumers": {"a": CONSUMER, "b": {**CONSUMER, "enabled": False}}}) == []
    (problem,) = problems_of(settings, {**kafka, "consumers": {"a": CONSUMER, "b": CONSUMER}})
    assert problem.startswith('KAFKA["config"]["group.instance.id"] is "web-1"')


@pytest.mark.parametrize(
    "keys",
    [
        {"config": {"session.timeout.ms": 30_000, "partition.assignment.strategy": "range"}},
        {"config": {"group.remote.assignor": "uniform"}},
        {"topics": ["orders", "^clicks.*", "^(views|visits)$", "^a.+"]},
    ],
    ids=["classic properties", "one of the other protocol", "patterns of whole names"],
)
def test_either_protocol_takes_what_one_of_the_two_would_use(keys, settings: Any) -> None:
    assert problems_of(settings, with_consumer(group_protocol="auto", **keys)) == []


def of_one_group(**keys: Any) -> dict[str, Any]:
    return {"endpoints": ["h:1"], "consumers": {"a": CONSUMER, "b": {**CONSUMER, **keys}}}


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (
            {"config": {"partition.assignment.strategy": "cooperative-sticky"}},
            '["partition.assignment.strategy"] makes one of the consumers "a" and "b" of the group "shop" cooperative',
        ),
        (
            {"offset_storage": "database"},
            'The consumers "a" and "b" of the group "shop" keep the offsets of "orders" in different places',
        ),
        ({"offset_storage": "database", "topics": ["^ord.*"]}, 'keep the offsets of "orders" in different places'),
    ],
    ids=["assignors", "offsets", "offsets by a pattern"],
)
def test_members_of_one_group_that_cannot_work_side_by_side_are_a_problem(keys, expected, settings: Any) -> None:
    problems = problems_of(settings, of_one_group(**keys))

    assert len(problems) == 1, problems
    assert expected in problems[0]


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"config": {"partition.assignment.strategy": "roundrobin"}},
        {"group_protocol": "consumer"},
        {"offset_storage": "database", "topics": ["other"]},
        {"offset_storage": "database", "consumer_group": "another"},
    ],
)
def test_members_of_one_group_may_differ_where_it_does_no_harm(keys, settings: Any) -> None:
    assert problems_of(settings, of_one_group(**keys)) == []
