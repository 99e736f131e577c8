"""`assert_survives_crashes()`: finds what a crash would do twice, or leave out, and lets a right handler pass."""

from contextlib import suppress

import pytest
from django.apps import apps
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection, transaction
from django.db.models import F

from kafka_integration import Skip, produce, publish
from kafka_integration.models import DeadLetter, HandledMessage, OutboxMessage, StoredOffset
from kafka_integration.testing import assert_survives_crashes, captured_messages
from kafka_integration.testing.effects import BOOKKEEPING
from tests.shop.models import Book, Customer, GiftOrder, Order

HERE = __name__
AT_LEAST_ONCE = {}
DATABASE = {"offset_storage": "database"}
DEDUPLICATE = {"deduplicate": True}
EXACTLY_ONCE = [DATABASE, DEDUPLICATE, DATABASE | DEDUPLICATE]
MESSAGES = [("spring", {"id": 1}), ("autumn", {"id": 2})]

calls = []


def count_by_read_and_write(message):
    book = Book.objects.get(sku=message.key)
    book.count += 1
    book.save()


@transaction.atomic(savepoint=False)
def count_once(message):
    _, is_new = Group.objects.get_or_create(name=str(message.json()["id"]))
    if is_new:
        Book.objects.filter(sku=message.key).update(count=F("count") + 1)


def mark_and_count_in_two_transactions(message):
    _, is_new = Group.objects.get_or_create(name=str(message.json()["id"]))
    if is_new:
        Book.objects.filter(sku=message.key).update(count=F("count") + 1)


def mark_by_unique_constraint(message):
    with suppress(IntegrityError):
        Group.objects.create(name=str(message.json()["id"]))
    Book.objects.filter(sku=message.key).update(count=7)


def create(message):
    Group.objects.create(name=str(message.json()["id"]))


def call_and_write(message):
    calls.append(message.key)
    count_once(message)


def write_and_call_before_the_commit(message):
    with transaction.atomic():
        _, is_new = Group.objects.get_or_create(name=str(message.json()["id"]))
        if is_new:
            calls.append(message.key)


def write_and_call_on_commit(message):
    with transaction.atomic():
        _, is_new = Group.objects.get_or_create(name=str(message.json()["id"]))
        if is_new:
            transaction.on_commit(lambda: calls.append(message.key))


def call_on_every_commit(message):
    with transaction.atomic():
        Group.objects.get_or_create(name=str(message.json()["id"]))
        transaction.on_commit(lambda: calls.append(message.key))


def catch_everything(message):
    with suppress(BaseException):
        count_once(message)
    with suppress(BaseException):
        Book.objects.filter(sku=message.key).update(count=50)


def skip_repeats(message):
    if Group.objects.filter(name=str(message.json()["id"])).exists():
        raise Skip("seen")
    Group.objects.create(name=str(message.json()["id"]))


def remember_the_last_one(message):
    """As if a repeat could only be of the message before."""
    with transaction.atomic():
        book = Book.objects.select_for_update().get(sku="last")
        if book.count != message.json()["id"]:
            Book.objects.filter(sku="sum").update(count=F("count") + 1)
            Book.objects.filter(sku="last").update(count=message.json()["id"])


@transaction.atomic(durable=True)
def take_an_order(message):
    """Rows whose keys, numbers and times are others in each run."""
    if not Customer.objects.filter(name=message.key).exists():
        customer = Customer.objects.create(name=message.key)
        Order.objects.create(customer=customer, total=message.json()["id"])
        GiftOrder.objects.create(customer=customer, greeting="hello")


def take_an_order_of_nobody(message):
    if not Customer.objects.filter(name=message.key).exists():
        customer = Customer.objects.create(name=message.key)
        Order.objects.create(customer=customer)


def announce(message):
    publish("counted", {"id": message.json()["id"]}, key=message.key)


@transaction.atomic
def announce_once(message):
    if Group.objects.get_or_create(name=str(message.json()["id"]))[1]:
        announce(message)


def tell_by_produce(message):
    produce("counted", "v")


def fail(message):
    raise ValueError("always")


def ask_what_was_called(message):
    if message.key not in calls:
        Book.objects.filter(sku=message.key).update(count=F("count") + 1)
        calls.append(message.key)


def write_many(message):
    for number in range(20):
        Group.objects.filter(name=str(number)).exists()


async def count_async(message):
    await Book.objects.filter(sku=message.key).aupdate(count=F("count") + 1)


class Batches:
    def handle_messages(self, messages):
        for message in messages:
            count_once(message)


class ASet:
    """A service that recognises a repeat by its key."""

    def __init__(self):
        self.keys = set()

    def call(self, key):
        self.keys.add(key)


service = ASet()


def call_a_service_that_recognises_repeats(message):
    service.call(message.key)
    count_once(message)


EACH_TEST_CASE = [
    pytest.param(kind, marks=pytest.mark.django_db(transaction=kind == "TransactionTestCase"), id=kind)
    for kind in ("TestCase", "TransactionTestCase")
]


@pytest.fixture(params=EACH_TEST_CASE)
def stock(shop_tables, project_alone, request):
    """A database as each kind of Django's test cases has it, with rows to count in."""
    calls.clear()
    service.keys.clear()
    Book.objects.bulk_create([Book(sku=sku) for sku in ("spring", "autumn", "last", "sum")])


@pytest.fixture
def survives(stock, settings):
    """Whether a handler of this module survives under these options; its failure otherwise."""

    def attempt(handler, options=AT_LEAST_ONCE, messages=MESSAGES, **more):
        it = {"topics": ["t"], "consumer_group": "g", "message_handler": f"{HERE}.{handler}"}
        settings.KAFKA = {"endpoints": "memory", "consumers": {"it": it | options}}
        return assert_survives_crashes("it", messages, **more)

    return attempt


@pytest.fixture
def fails(survives):
    """The text of the failure that a handler of this module must have."""

    def attempt(*arguments, **more):
        with pytest.raises(AssertionError) as failure:
            survives(*arguments, **more)
        return str(failure.value)

    return attempt


def test_a_count_by_read_and_write_is_found_where_messages_may_repeat(fails):
    text = fails("count_by_read_and_write")

    assert "consumer it does not survive this: each message is delivered twice in a row." in text
    assert "- id=" in text
    assert "count=1" in text
    assert "count=2" in text
    assert '"offset_storage": "database"' in text


@pytest.mark.parametrize("options", EXACTLY_ONCE, ids=str)
def test_a_count_by_read_and_write_is_right_where_effects_happen_once(survives, options):
    assert survives("count_by_read_and_write", options) > 0


@pytest.mark.parametrize("options", [AT_LEAST_ONCE, *EXACTLY_ONCE], ids=str)
@pytest.mark.parametrize("handler", ["count_once", "Batches", "announce_once", "mark_by_unique_constraint"])
def test_a_right_handler_passes(survives, handler, options):
    assert survives(handler, options) >= 8


def test_rows_whose_keys_and_times_are_others_each_time_are_alike(survives):
    assert survives("take_an_order") >= 8


@pytest.mark.parametrize("options", [AT_LEAST_ONCE, *EXACTLY_ONCE], ids=str)
def test_an_effect_that_a_crash_leaves_out_is_found(survives, fails, options):
    if options in EXACTLY_ONCE:
        survives("mark_and_count_in_two_transactions", options)
    else:
        text = fails("mark_and_count_in_two_transactions", options)
        assert "the process dies just after statement" in text
        assert "INSERT INTO" in text or "COMMIT" in text
        assert "count=0" in text


def test_a_repeat_that_fails_is_found(fails):
    text = fails("create")

    assert "is not handled, but failed: IntegrityError" in text
    assert "Let the handler recognise what it has done before." in text


@pytest.mark.parametrize("options", [AT_LEAST_ONCE, *EXACTLY_ONCE], ids=str)
def test_a_call_before_the_write_is_found(fails, options):
    text = fails("call_and_write", options, outside=lambda: calls)

    assert "Outside of the databases" in text
    assert "'spring', 'spring'" in text
    assert "publish()" in text


@pytest.mark.parametrize("options", [AT_LEAST_ONCE, *EXACTLY_ONCE], ids=str)
def test_a_call_after_the_write_and_before_the_commit_is_found(fails, options):
    text = fails("write_and_call_before_the_commit", options, outside=lambda: len(calls))

    assert "Outside of the databases, - undisturbed, + here:\n  - 2\n  + 3" in text
    # Where the transaction is ours, its last statement comes before.
    assert options in EXACTLY_ONCE or "dies in place of statement 3 of 6:\n    COMMIT after INSERT INTO" in text


@pytest.mark.parametrize("options", [AT_LEAST_ONCE, *EXACTLY_ONCE], ids=str)
def test_a_call_on_commit_that_a_crash_leaves_out_is_found(fails, options):
    text = fails("write_and_call_on_commit", options, outside=lambda: calls)

    assert "dies just after statement" in text
    assert "COMMIT" in text
    assert "  - ['spring', 'autumn']\n  + ['autumn']" in text


def test_a_service_that_recognises_repeats_is_right(survives):
    survives("call_a_service_that_recognises_repeats", outside=lambda: service.keys, reset=service.keys.clear)


def test_what_grows_in_an_unknown_way_needs_a_reset(survives):
    with pytest.raises(ValueError, match="give reset= too"):
        survives("call_a_service_that_recognises_repeats", outside=lambda: service.keys)


def test_a_handler_may_skip_repeats(survives):
    survives("skip_repeats")


def test_repeats_of_more_than_the_last_message_are_tried(fails):
    assert "all messages are delivered, and all of them again" in fails("remember_the_last_one")


def test_a_row_without_its_relative_is_found(fails):
    text = fails("take_an_order_of_nobody")

    assert "shop_order" in text
    assert "customer_id=<new shop_customer: name='spring'" in text


def test_an_event_that_is_published_twice_is_an_effect(fails, survives):
    assert "kafka_integration_outboxmessage" in fails("announce")
    survives("announce", DATABASE)


def test_what_is_produced_can_be_counted(fails):
    with captured_messages() as messages:
        assert "- ['v', 'v']" in fails("tell_by_produce", outside=lambda: [each.value for each in messages["counted"]])


def test_messages_that_are_not_handled_undisturbed_prove_nothing(fails):
    text = fails("fail")

    assert "is not handled, but failed: ValueError('always'), though nothing is broken yet" in text


def test_a_state_outside_that_changes_what_happens_is_told_from_a_crash(fails):
    text = fails("ask_what_was_called")

    assert "two undisturbed runs from the same beginning differ" in text
    assert "reset=" in text
    assert "in place of" not in fails("ask_what_was_called", reset=calls.clear)


def test_an_async_handler_is_broken_too(survives, fails):
    fails("count_async")
    survives("count_async", DATABASE)


def test_it_has_a_limit(survives):
    with pytest.raises(
        ValueError, match=r"2 messages run 40 SQL statements, to be broken 80 times, over max_breaks \(79\)"
    ):
        survives("write_many", max_breaks=79)
    assert survives("write_many", max_breaks=80) == 80


def test_no_messages_are_refused(survives):
    with pytest.raises(ValueError, match="got no messages"):
        survives("count_once", messages=[])


def test_a_consumer_that_is_not_there_is_refused(stock, settings):
    settings.KAFKA = {"endpoints": "memory"}

    with pytest.raises(LookupError, match="nobody"):
        assert_survives_crashes("nobody", MESSAGES)


@pytest.mark.parametrize(
    "messages", [[{"id": 1}], ['{"id": 1}'], [{"value": {"id": 1}, "key": "spring", "headers": {"a": "b"}}]], ids=str
)
def test_messages_are_values_pairs_or_dicts(survives, messages):
    survives("count_once", messages=messages)


@pytest.mark.parametrize("handler", ["count_once", "count_by_read_and_write"])
@pytest.mark.parametrize("options", [AT_LEAST_ONCE, DATABASE | DEDUPLICATE], ids=str)
def test_the_tables_and_hooks_are_afterwards_as_they_were(survives, handler, options):
    transaction.on_commit(lambda: None)
    hooks = len(connection.run_on_commit)

    with suppress(AssertionError):
        survives(handler, options)

    tables = (Group, DeadLetter, HandledMessage, OutboxMessage, StoredOffset)
    assert [table.objects.count() for table in tables] == [0] * 5
    assert set(Book.objects.values_list("count", flat=True)) == {0}
    assert len(connection.run_on_commit) == hooks
    assert not connection.needs_rollback


def test_each_table_of_ours_is_bookkeeping_but_the_outbox_which_holds_effects():
    ours = set(apps.get_app_config("kafka_integration").get_models())

    assert ours - set(BOOKKEEPING) == {OutboxMessage}
