"""Every form of "endpoints", and what is said about what is none."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kafka_integration.conf import get_settings
from kafka_integration.conf.endpoints import parse_endpoints
from kafka_integration.conf.problems import Problems
from tests.unit.kafka_settings import problems_of

pytestmark = pytest.mark.usefixtures("project_alone")

FORMS = {
    "a list of host:port": (["h1:9092", "h2:9093"], ("h1:9092", "h2:9093")),
    "a tuple": (("h1:9092",), ("h1:9092",)),
    "a list of pairs": ([("h1", 9092), ("h2", 9093)], ("h1:9092", "h2:9093")),
    "Kaffe's dict": ({"h1": 9092, "h2": 9093}, ("h1:9092", "h2:9093")),
    "a comma string": ("h1:9092,h2:9093", ("h1:9092", "h2:9093")),
    "a comma string with spaces": (" h1:9092 , h2:9093 ", ("h1:9092", "h2:9093")),
    "a URL": ("kafka://h1:9092", ("h1:9092",)),
    "a URL of several": ("kafka://h1:9092,h2:9093", ("h1:9092", "h2:9093")),
    "several URLs": ("kafka://h1:9092,kafka://h2:9093/", ("h1:9092", "h2:9093")),
    "URLs in a list": (["kafka://h1:9092", "h2:9093"], ("h1:9092", "h2:9093")),
    "IPv4": (["127.0.0.1:9092"], ("127.0.0.1:9092",)),
    "IPv6 in brackets": (["[::1]:9092"], ("[::1]:9092",)),
    "IPv6 in a URL": ("kafka://[fe80::1]:9092", ("[fe80::1]:9092",)),
    "IPv6 in a pair": ([("::1", 9092)], ("[::1]:9092",)),
    "the same one twice": (["h1:9092", "h1:9092"], ("h1:9092",)),
    "a name with underscores, as in compose files": (["kafka_1:9092"], ("kafka_1:9092",)),
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_endpoints_names_the_servers(form: str, settings: Any) -> None:
    value, servers = FORMS[form]
    settings.KAFKA = {"endpoints": value}

    connection = get_settings().connection

    assert connection.servers == servers
    assert connection.transport == "kafka"
    assert connection.tls is None


@pytest.mark.parametrize("transport", ["embedded", "memory"])
def test_embedded_and_memory_are_transports_without_servers(transport: str, settings: Any) -> None:
    settings.KAFKA = {"endpoints": transport}

    connection = get_settings().connection

    assert connection.transport == transport
    assert connection.servers == ()


@pytest.mark.parametrize("value", ["kafka+ssl://h1:9096,kafka+ssl://h2:9096", ["kafka+ssl://h1:9096", "h2:9096"]])
def test_a_tls_url_means_tls(value: Any, settings: Any) -> None:
    settings.KAFKA = {"endpoints": value}

    connection = get_settings().connection

    assert connection.servers == ("h1:9096", "h2:9096")
    assert connection.tls is not None
    assert connection.tls.verify


BAD = {
    "nothing": (
        [],
        'KAFKA["endpoints"] is empty: say where Kafka is, like ["localhost:9092"], "embedded" or "memory".',
    ),
    "an empty string": ("", 'KAFKA["endpoints"] is empty'),
    "None": (None, 'KAFKA["endpoints"] is None'),
    "a number": (9092, 'KAFKA["endpoints"] is an int'),
    "no port": (["kafka"], 'KAFKA["endpoints"][0] is "kafka", without a port: write "kafka:9092".'),
    "no broker but nearly one of ours": (
        "Embedded",
        'KAFKA["endpoints"] is "Embedded", without a port: write "Embedded:9092"; or did you mean "embedded"?',
    ),
    "no host": (
        "kafka://",
        'KAFKA["endpoints"] is "kafka://", without a host: write something like "kafka://localhost:9092".',
    ),
    "no port in a URL": ("kafka://kafka", 'KAFKA["endpoints"] is "kafka://kafka", without a port: write "kafka:9092".'),
    "a port that is text": (["kafka:abc"], 'KAFKA["endpoints"][0] has port "abc": a port is a number from 1 to 65535.'),
    "port 0": (["kafka:0"], "has port 0"),
    "port 70000": ([("kafka", 70000)], "has port 70000"),
    "a bool as port": ([("kafka", True)], "has port True"),
    "a text as port": ([("kafka", "9092")], 'has port "9092"'),
    "a host with a space": (["a b:9092"], 'has host "a b": use a host name or an IP address.'),
    "an empty host": ([":9092"], 'has host ""'),
    "a path": (["kafka:9092/x"], 'has port "9092/x"'),
    "another scheme": (["http://kafka:9092"], "use kafka:// or kafka+ssl:// or no scheme, not http://"),
    "mixed schemes": (["kafka://a:1", "kafka+ssl://b:1"], "mixes kafka:// and kafka+ssl://"),
    "IPv6 without brackets": (["::1:9092"], 'an IPv6 address stands in brackets, like "[::1]:9092"'),
    "IPv6 without port": (["[::1]"], "without a port"),
    "no IPv6 at all": (["[x:y]:9092"], 'has host "x:y": that is no IPv6 address'),
    "embedded in a list": (["embedded"], 'write "endpoints": "embedded"'),
    "a triple": ([("a", 1, 2)], 'is a tuple: use "host:9092" or ("host", 9092)'),
    "a flat pair": (("localhost", 9092), "is an int: use"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_endpoint_is_a_problem_that_says_what_would_be_right(case: str, settings: Any) -> None:
    value, expected = BAD[case]

    problems = problems_of(settings, {"endpoints": value})

    assert any(expected in problem for problem in problems), problems


def test_every_bad_endpoint_is_named(settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": ["a", "b:9092", "c:x"]})

    assert [problem.partition(" ")[0] for problem in problems] == ['KAFKA["endpoints"][0]', 'KAFKA["endpoints"][2]']


@pytest.mark.parametrize(
    "value",
    [
        "kafka://ann:s3cret@h1:9092",
        "kafka://ann:s3cret,s3cret@h1:9092",
        ["ann:s3cret@h1:9092"],
        {"ann:s3cret@h1": 9092},
        [("ann:s3cret@h1", 9092)],
        [["s3cret@h1"]],
    ],
)
def test_credentials_in_an_endpoint_are_refused_and_not_shown(value: Any, settings: Any) -> None:
    problems = problems_of(settings, {"endpoints": value})

    assert any("holds credentials: move them to" in problem for problem in problems)
    assert not any("s3cret" in problem for problem in problems)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["h:1", "embedded"]),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
    )
)
def test_anything_at_all_gives_either_endpoints_or_a_problem(value: Any) -> None:
    problems = Problems()

    endpoints = parse_endpoints(value, 'KAFKA["endpoints"]', problems)

    assert (endpoints is None) == bool(len(problems))
