"""Clients that can't be made: whose fault it is, and that it is waited for."""

from __future__ import annotations

import threading
import time

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from django.test import override_settings

from kafka_integration.client.errors.translate import translate
from kafka_integration.client.log.client_log import ClientLog
from kafka_integration.client.metadata.topic_ids import TopicIds
from kafka_integration.client.metadata.topic_sizes import TopicSizes
from kafka_integration.client.opening import TokenSource, open_client
from kafka_integration.conf import get_settings
from kafka_integration.consuming.assembly import assemble
from kafka_integration.consuming.loop import ConsumerLoop, Phase
from kafka_integration.errors import BrokerError, BrokerUnavailableError
from tests.unit.consumers import consumer_settings
from tests.waiting import wait_for

SECRET = "s3cret-of-the-provider"
TIMED_OUT = KafkaException(KafkaError(KafkaError.SASL_AUTHENTICATION_FAILED, "OAuth token not set within 10 seconds"))


class Provider:
    """Gives tokens, from some call on."""

    def __init__(self, *, failures: int = 0) -> None:
        self.failures = failures
        self.calls = 0

    def __call__(self, config):
        self.calls += 1
        if self.calls <= self.failures:
            raise ConnectionError(SECRET)
        return "token", time.time() + 300


@pytest.mark.parametrize("error", [TIMED_OUT, SystemError("returned a result with an exception set")])
def test_a_client_that_got_no_token_says_whose_fault_it_was_and_is_worth_another_try(error):
    source = TokenSource(Provider(failures=1))

    def make(properties):
        with pytest.raises(ConnectionError):
            properties["oauth_cb"]("")
        raise error

    with pytest.raises(BrokerUnavailableError) as caught:
        open_client(make, {"oauth_cb": source}, place="consumer c")

    assert caught.value.retriable
    assert 'consumer c: the function of "oauth_cb" in KAFKA["config"] gave no token: ConnectionError at' in str(
        caught.value
    )
    assert "password" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_refused_credentials_stay_refused():
    with pytest.raises(BrokerError) as caught:
        open_client(lambda properties: (_ for _ in ()).throw(TIMED_OUT), {}, place="consumer c")

    assert not caught.value.retriable


@pytest.mark.parametrize("token", [None, "token", ("token",), ("token", "soon"), ("token", 1.0, "me", {}, "more")])
def test_what_is_no_token_is_a_token_less_and_not_the_end_of_the_client(token, caplog):
    source = TokenSource(lambda config: token)

    for _ in range(3):
        with pytest.raises(TypeError, match="a token is a tuple"):
            source("")

    assert caplog.text.count('the function of "oauth_cb" gave no token') == 1


@pytest.mark.parametrize("detail", ["OAuth callback raised exception", "Failed to retrieve OIDC token from https://x"])
def test_a_token_that_is_missing_later_is_nobodys_password(detail, caplog):
    refused = KafkaError(KafkaError._AUTHENTICATION, f"Failed to acquire SASL OAUTHBEARER token: {detail}")
    log = ClientLog("consumer c", {})

    log.on_error(refused)

    assert isinstance(translate(refused), BrokerUnavailableError)
    assert log.denied is None
    assert log.trouble is not None
    assert "there is no token to authenticate with" in caplog.text
    assert "password" not in caplog.text


@pytest.mark.parametrize(
    "ask",
    [lambda connection: TopicIds(connection).ask("orders"), lambda connection: TopicSizes(connection).read()],
    ids=["ids", "sizes"],
)
def test_whoever_asks_about_topics_is_told_in_our_words_that_there_is_no_client(ask, monkeypatch):
    def fail(*_):
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "Invalid value"))

    monkeypatch.setattr(AdminClient, "__init__", fail)
    with override_settings(KAFKA={**consumer_settings(), "endpoints": ["127.0.0.1:1"]}):
        connection = get_settings().consumers["c"].connection

        with pytest.raises(BrokerError):
            ask(connection)


def test_a_consumer_without_its_first_token_waits_and_recovers(caplog):
    """The real client: it waits ten seconds for a token when it is made."""
    provider = Provider(failures=1)
    kafka = {
        **consumer_settings(),
        "endpoints": ["127.0.0.1:1"],
        "sasl": {"mechanism": "oauthbearer"},
        "config": {"oauth_cb": provider},
    }
    with override_settings(KAFKA=kafka):
        loop = ConsumerLoop(assemble(get_settings().consumers["c"]))
        thread = threading.Thread(target=loop.run)
        thread.start()
        try:
            wait_for(lambda: loop.phase is Phase.RUNNING, 40, lambda: f"{loop.fault!r} {caplog.text}")
        finally:
            loop.stop()
            thread.join(20)

    assert loop.fault is None
    # By itself, or by the consumer that gave up waiting for it: that depends on which of the two is the first to look.
    assert "the function of" in caplog.text
