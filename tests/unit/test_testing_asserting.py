"""`assertPublishes`: what a test says of the messages that its code sends."""

import uuid
from unittest import mock

import pytest
from django.db import transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

from kafka_integration import produce, produce_batch, publish
from kafka_integration.testing import KafkaTestMixin

KAFKA = {"endpoints": ["kafka.invalid:9092"], "producer": {"topics": ["orders", "clicks"]}}


def serialize(value):
    return f"<{value}>"


@override_settings(KAFKA=KAFKA)
class WithoutADatabase(KafkaTestMixin, SimpleTestCase):
    def test_what_is_produced_is_found_by_topic_value_and_key(self):
        with self.assertPublishes("clicks", {"banner": "spring"}, key="spring"):
            produce("clicks", {"banner": "spring"}, key="spring")

    def test_a_topic_alone_is_enough(self):
        with self.assertPublishes("clicks"):
            produce("clicks", b"\xff")

    def test_keys_and_values_are_given_as_for_produce(self):
        some_id = uuid.uuid4()

        with self.assertPublishes("clicks", {"id": some_id, "pair": (1, 2)}, key=some_id):
            produce("clicks", {"id": some_id, "pair": (1, 2)}, key=some_id)
        with self.assertPublishes("clicks", "text", key=7):
            produce("clicks", "text", key=7)
        with self.assertPublishes("clicks", b"\xff", key=b"\xfe"):
            produce("clicks", b"\xff", key=b"\xfe")

    def test_the_order_and_spacing_of_json_do_not_count(self):
        with self.assertPublishes("clicks", {"a": 1, "b": 2}):
            produce("clicks", '{ "b": 2, "a": 1 }')

    def test_a_part_may_be_anything(self):
        with self.assertPublishes("clicks", {"banner": "spring", "at": mock.ANY}):
            produce("clicks", {"banner": "spring", "at": "now"})

    def test_a_tombstone_and_a_missing_key_are_none(self):
        with self.assertPublishes("clicks", None, key="k"):
            produce("clicks", None, key="k")
        with self.assertPublishes("clicks", "v", key=None):
            produce("clicks", "v")
        with pytest.raises(AssertionError, match="another value"), self.assertPublishes("clicks", None):
            produce("clicks", "null")

    def test_other_headers_may_be_there(self):
        with self.assertPublishes("clicks", headers={"trace": "abc"}):
            produce("clicks", "v", headers={"trace": "abc", "other": "x"})
        with pytest.raises(AssertionError, match=r"headers=\[\('trace', b'abd'\)\] \(another headers\)"):  # noqa: SIM117
            with self.assertPublishes("clicks", headers={"trace": "abc"}):
                produce("clicks", "v", headers={"trace": "abd"})

    def test_the_serializers_of_the_settings_are_used(self):
        serializer = f"{__name__}.serialize"
        producer = KAFKA["producer"] | {"value_serializer": serializer, "key_serializer": serializer}

        with override_settings(KAFKA=KAFKA | {"producer": producer}), self.assertPublishes("clicks", "v", key="k"):
            produce("clicks", "v", key="k")

    def test_messages_can_be_counted(self):
        with self.assertPublishes("clicks", "v", count=2):
            produce_batch("clicks", [("k", "v"), ("k", "v"), ("k", "other")])
        with self.assertPublishes("clicks", count=0):
            produce("orders", "v")
        with pytest.raises(AssertionError, match="1 message to clicks with value 'v' should have been sent: 2 of 2"):  # noqa: SIM117
            with self.assertPublishes("clicks", "v", count=1):
                produce_batch("clicks", [("k", "v"), ("k", "v")])

    def test_what_was_sent_can_be_looked_at(self):
        with self.assertPublishes("clicks") as messages:
            produce("clicks", "v", partition=3)

        assert [message.partition for message in messages["clicks"]] == [3]

    def test_a_failure_says_that_nothing_was_sent(self):
        with pytest.raises(AssertionError) as failure, self.assertPublishes("clicks", {"a": 1}, key="k"):
            pass

        assert str(failure.value) == (
            "at least one message to clicks with key 'k', value {'a': 1} should have been sent: nothing was."
        )

    def test_a_failure_shows_what_was_sent_with_the_nearest_first(self):
        def send():
            for number in range(30):
                produce("orders", {"a": number}, key="other")
            produce("clicks", {"a": 1, "b": 3}, key="k")

        with pytest.raises(AssertionError) as failure, self.assertPublishes("clicks", {"a": 1, "b": 2}, key="k"):
            send()

        lines = str(failure.value).splitlines()
        assert lines[1] == """  clicks key='k' value='{"a": 1, "b": 3}' (another value)"""
        assert lines[2] == """  orders key='other' value='{"a": 0}' (another topic and key and value)"""
        assert lines[21] == "  and 11 more"
        assert lines[22] == "The nearest one's value (- expected, + sent):"
        assert {"- {'a': 1, 'b': 2}", "+ {'a': 1, 'b': 3}"} < set(lines[23:])

    def test_an_error_of_the_block_is_not_hidden(self):
        with pytest.raises(ZeroDivisionError), self.assertPublishes("clicks"):
            raise ZeroDivisionError


@override_settings(KAFKA=KAFKA)
class InATestCase(KafkaTestMixin, TestCase):
    def test_what_is_published_is_found(self):
        with self.assertPublishes("orders", {"id": 1}, key=1, headers={"ce_specversion": "1.0"}):
            publish("orders", {"id": 1}, key=1)

    def test_both_ways_count_together(self):
        with self.assertPublishes("orders", count=2):
            publish("orders", "v")
            produce("orders", "v")

    def test_what_was_rolled_back_was_not_published(self):
        with self.assertPublishes("orders", count=0), transaction.atomic():
            publish("orders", "v")
            transaction.set_rollback(True)

    def test_what_is_sent_on_commit_is_found_when_it_is_captured(self):
        with self.assertPublishes("clicks", "v"), self.captureOnCommitCallbacks(execute=True):
            transaction.on_commit(lambda: produce("clicks", "v"))


@override_settings(KAFKA=KAFKA)
class InATransactionTestCase(KafkaTestMixin, TransactionTestCase):
    def test_what_is_published_is_found(self):
        with self.assertPublishes("orders", {"id": 1}), transaction.atomic():
            publish("orders", {"id": 1})
