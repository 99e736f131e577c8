"""What installed apps bring, and how the project's settings lie over it."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps

from kafka_integration.conf import find_problems, get_settings, reset_settings
from kafka_integration.conf.consumers import RetryPolicy
from kafka_integration.conf.problems import Kind
from tests.unit.kafka_settings import CONSUMER

pytestmark = pytest.mark.usefixtures("project_alone")


@pytest.fixture
def bring(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`bring("auth", {…})` lets an installed app bring these settings."""

    def bring(label: str, kafka: Any) -> str:
        config = type(apps.get_app_config(label))
        monkeypatch.setattr(config, "kafka", kafka, raising=False)
        reset_settings()
        return f"{config.__name__}.kafka"

    yield bring
    reset_settings()


def texts() -> list[str]:
    return [str(problem) for problem in find_problems()]


def test_an_app_brings_its_consumers(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"]}
    bring("auth", {"consumers": {"audit": CONSUMER}})

    consumer = get_settings().consumers["audit"]

    assert consumer.topics == ("orders",)
    assert consumer.app_label == "auth"
    assert consumer.connection.servers == ("h1:9092",)


def test_the_project_retunes_the_consumer_of_an_app(bring: Any, settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1:9092"],
        "consumers": {"audit": {"batch_size": 9, "retry": {"attempts": 2}, "config": {"client.rack": "eu-1"}}},
    }
    bring(
        "auth",
        {
            "consumers": {
                "audit": {
                    **CONSUMER,
                    "batch_size": 100,
                    "retry": {"backoff_seconds": 3},
                    "config": {"check.crcs": True},
                }
            }
        },
    )

    consumer = get_settings().consumers["audit"]

    assert consumer.app_label == "auth"
    assert consumer.consumer_group == "shop"
    assert consumer.batch_size == 9
    assert consumer.retry == RetryPolicy(attempts=2, backoff_seconds=3)
    assert dict(consumer.connection.config) == {"check.crcs": True, "client.rack": "eu-1"}


def test_the_project_turns_the_consumer_of_an_app_off(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "consumers": {"audit": {"enabled": False}}}
    bring("auth", {"consumers": {"audit": CONSUMER}})

    assert not get_settings().consumers["audit"].enabled


def test_a_problem_names_the_place_where_the_key_was_written(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "consumers": {"audit": {"batch_size": 0}}}
    place = bring("auth", {"consumers": {"audit": {**CONSUMER, "topics": ["a b"], "concurrency": 0}}})

    starts = [text.partition(" is ")[0] for text in texts()]

    assert sorted(starts) == sorted(
        [
            f'{place}["consumers"]["audit"]["topics"][0]',
            f'{place}["consumers"]["audit"]["concurrency"]',
            'KAFKA["consumers"]["audit"]["batch_size"]',
        ]
    )


def test_two_apps_can_not_bring_the_same_consumer(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"]}
    first = bring("auth", {"consumers": {"audit": CONSUMER}})
    second = bring("sessions", {"consumers": {"audit": CONSUMER}})

    (problem,) = find_problems()

    assert problem.kind == Kind.DUPLICATE_CONSUMER
    assert f'{first}["consumers"]["audit"]' in problem.text
    assert f'{second}["consumers"]["audit"]' in problem.text
    assert 'define the consumer "audit": rename one of them.' in problem.text


def test_the_topics_of_all_apps_are_the_producers(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "producer": {"topics": ["a", "b"]}}
    bring("auth", {"producer": {"topics": ["b", "c"]}})
    bring("sessions", {"producer": {"topics": ["d"]}})

    assert get_settings().producer.topics == ("a", "b", "c", "d")


def test_an_app_describes_topics_and_the_project_has_the_last_word(bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"], "topics": {"orders": {"partitions": 12}}}
    bring("auth", {"topics": {"orders": {"partitions": 3}, "logins": {"partitions": 1}}})

    topics = get_settings().topics

    assert (topics["orders"].partitions, topics["logins"].partitions) == (12, 1)


@pytest.mark.parametrize(
    ("kafka", "end"),
    [
        (["audit"], " is a list: use a dict like"),
        ({"consumer": CONSUMER}, '["consumer"] is unknown: an app gives its consumers names'),
        ({"consumers": ["audit"]}, '["consumers"] is a list: use a dict, like'),
        ({"consumers": {"audit": "x"}}, '["consumers"]["audit"] is a str: use a dict, like'),
        ({"producer": {"linger_ms": 5}}, '["producer"]["linger_ms"] is unknown: an app names its topics only'),
        ({"producer": {"topics": ["a b"]}}, '["producer"]["topics"][0] is "a b"'),
        ({"endpoints": ["h:1"]}, '["endpoints"] is unknown'),
        ({"topics": {"a b": {}}}, '["topics"]["a b"]: a topic name has only'),
    ],
)
def test_what_an_app_can_not_bring_is_a_problem(kafka: Any, end: str, bring: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"]}
    place = bring("auth", kafka)

    problems = texts()

    assert len(problems) == 1, problems
    assert problems[0].startswith(f"{place}{end}")
