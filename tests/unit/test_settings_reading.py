"""When the settings are read, and that all of what is wrong about them is said at once."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from kafka_integration.conf import find_problems, get_settings
from kafka_integration.conf.consumers import KEYS as CONSUMER_KEYS
from kafka_integration.conf.parse import KEYS
from kafka_integration.conf.producers import KEYS as PRODUCER_KEYS
from kafka_integration.conf.producers import OperationsSettings, OutboxSettings, TopicSettings
from kafka_integration.conf.schema import keys_of
from kafka_integration.errors import ConfigurationError
from tests.unit.kafka_settings import CONSUMER, problems_of, with_consumer

pytestmark = pytest.mark.usefixtures("project_alone")


def test_settings_are_read_once(settings: Any) -> None:
    settings.KAFKA = with_consumer()

    assert get_settings() is get_settings()


def test_override_settings_takes_effect_at_once(settings: Any) -> None:
    settings.KAFKA = {"endpoints": ["h1:9092"]}

    with override_settings(KAFKA={"endpoints": ["h2:9092"]}):
        assert get_settings().connection.servers == ("h2:9092",)
    assert get_settings().connection.servers == ("h1:9092",)


def test_settings_can_be_compared_and_used_as_keys(settings: Any) -> None:
    settings.KAFKA = with_consumer(config={"client.rack": "eu-1"}, failure_rules={"builtins.OSError": "skip"})
    before = get_settings()
    settings.KAFKA = with_consumer(config={"client.rack": "eu-1"}, failure_rules={"builtins.OSError": "skip"})

    assert get_settings() is not before
    assert {get_settings()} == {before}


def test_all_problems_are_raised_at_once(settings: Any) -> None:
    settings.KAFKA = {
        "endpoints": ["h1"],
        "endpoint": [],
        "consumers": {"audit": {"topics": ["a b"], "concurrency": 0}},
        "producer": {"compression": "rar"},
    }

    with pytest.raises(ConfigurationError) as caught:
        get_settings()

    places = [
        'KAFKA["endpoint"] ',
        'KAFKA["endpoints"][0] ',
        'KAFKA["consumers"]["audit"]["consumer_group"] ',
        'KAFKA["consumers"]["audit"]["message_handler"] ',
        'KAFKA["consumers"]["audit"]["concurrency"] ',
        'KAFKA["consumers"]["audit"]["topics"][0] ',
        'KAFKA["producer"]["compression"] ',
    ]
    assert len(caught.value.problems) == len(places)
    for place in places:
        assert any(problem.startswith(place) for problem in caught.value.problems), place
    assert isinstance(caught.value, ImproperlyConfigured)


@pytest.mark.parametrize(
    ("kafka", "expected"),
    [
        (None, "settings.KAFKA is None: give it a dict"),
        ([], "settings.KAFKA is a list: give it a dict"),
        ({}, 'KAFKA["endpoints"] is missing: say where Kafka is'),
        ({"endpoints": "memory", "consumers": []}, 'KAFKA["consumers"] is a list: use a dict, like {"marketing":'),
        ({"endpoints": "memory", "consumers": {"a": 5}}, 'KAFKA["consumers"]["a"] is an int: use a dict'),
        ({"endpoints": "memory", "consumer": "a"}, 'KAFKA["consumer"] is a str: use a dict'),
        ({"endpoints": "memory", "producer": ["a"]}, 'KAFKA["producer"] is a list: use a dict'),
        ({"endpoints": "memory", "producers": {}}, 'KAFKA["producers"] is unknown: did you mean "producer"?'),
        ({"endpoints": "memory", 5: {}}, "KAFKA[5] is unknown"),
    ],
)
def test_a_wrong_shape_is_a_problem(kafka: Any, expected: str, settings: Any) -> None:
    problems = problems_of(settings, kafka)

    assert len(problems) == 1, problems
    assert problems[0].startswith(expected)


def test_missing_settings_are_a_problem(settings: Any) -> None:
    del settings.KAFKA

    assert [str(problem) for problem in find_problems()] == [
        'settings.KAFKA is missing: give it a dict, to begin with {"endpoints": "embedded"}.'
    ]


leaves = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.binary(max_size=3), st.just("a.b")
)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(leaves, inner, max_size=3))
sections = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(KEYS, anything),
        "consumers": st.dictionaries(
            st.sampled_from(["audit", "", "b"]),
            st.fixed_dictionaries({}, optional=dict.fromkeys(CONSUMER_KEYS, anything)),
        ),
        "producer": st.fixed_dictionaries({}, optional=dict.fromkeys(PRODUCER_KEYS, anything)),
        "outbox": st.fixed_dictionaries({}, optional=dict.fromkeys(keys_of(OutboxSettings), anything)),
        "operations": st.fixed_dictionaries({}, optional=dict.fromkeys(keys_of(OperationsSettings), anything)),
        "topics": st.dictionaries(
            st.sampled_from(["orders", "a b"]),
            st.fixed_dictionaries({}, optional=dict.fromkeys(keys_of(TopicSettings), anything)),
        ),
    },
)


@given(sections | anything)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_the_settings_hold_there_are_problems_or_settings_and_never_a_crash(kafka: Any) -> None:
    with override_settings(KAFKA=kafka):
        problems = find_problems()
        if problems:
            with pytest.raises(ConfigurationError):
                get_settings()
        else:
            hash(get_settings())
    assert all(" " in str(problem) and str(problem).endswith((".", "?")) for problem in problems)


def test_two_groups_may_read_one_topic_and_two_handlers_of_one_group_are_worth_a_warning(settings: Any) -> None:
    from kafka_integration.conf import examined

    other = {**CONSUMER, "message_handler": "tests.unit.handlers_for_checks.asynchronous"}
    settings.KAFKA = {"endpoints": ["h:1"], "consumers": {"a": CONSUMER, "b": {**other, "consumer_group": "b"}}}
    assert examined().warnings == ()

    settings.KAFKA = {"endpoints": ["h:1"], "consumers": {"a": CONSUMER, "b": other}}

    assert find_problems() == ()
    (warning,) = examined().warnings
    assert 'share the group "shop" and the topic "orders": each message reaches only one' in warning.text
