"""No broker is needed to try a handler out."""

from django.test import TestCase

from kafka_integration.testing import deliver


class GreeterTest(TestCase):
    def test_a_visitor_is_greeted(self):
        self.assertEqual(deliver("greeter", {"name": "Ada"}).status, "handled")

    def test_one_without_a_name_is_kept(self):
        self.assertEqual(deliver("greeter", {"colour": "red"}).status, "rejected")
