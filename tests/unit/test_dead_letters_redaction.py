"""What may be kept of an exception: classes, places and code, never values."""

from __future__ import annotations

import asyncio

import pytest
from django.db import DataError

from kafka_integration import Reject, Retry
from kafka_integration.dead_letters.redaction import MAX_TEXT, describe
from kafka_integration.errors import DecodeError


def caught(function):
    try:
        function()
    except BaseException as error:  # noqa: BLE001 - whatever the test raises
        return error
    raise AssertionError("nothing was raised")


def failing_on(number):
    password = f"hunter{number}"
    raise ValueError(password, number)


def test_a_frame_has_file_line_function_and_code():
    description = describe(caught(lambda: failing_on(4111)))

    assert f'File "{__file__}"' in description.traceback
    assert "in failing_on" in description.traceback
    assert "raise ValueError(password, number)" in description.traceback
    assert description.exception == "builtins.ValueError"


def test_neither_messages_nor_local_values_are_kept():
    description = describe(caught(lambda: failing_on(4111)))

    assert "4111" not in description.traceback.replace("failing_on(4111)", "")
    assert "hunter4111" not in description.traceback
    assert description.reason == ""


def test_the_chain_is_kept_oldest_first():
    def fail():
        try:
            {}["secret"]
        except KeyError as error:
            raise DataError("value 4111 is too long") from error

    text = describe(caught(fail)).traceback

    assert text.index("KeyError") < text.index("direct cause") < text.index("django.db.utils.DataError")
    assert "4111" not in text.replace('"value 4111 is too long"', "")


def test_what_was_being_handled_is_kept_unless_it_was_hidden():
    def fail(hide):
        try:
            1 / 0  # noqa: B018 - to fail
        except ZeroDivisionError:
            if hide:
                raise ValueError from None
            raise ValueError  # noqa: B904 - to see it

    shown, hidden = (describe(caught(lambda hide=hide: fail(hide))).traceback.splitlines() for hide in (False, True))

    assert "ZeroDivisionError" in shown
    assert "ZeroDivisionError" not in hidden


def test_a_chain_that_bites_its_tail_ends():
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first

    assert describe(first).traceback.count("ValueError") == 1


def test_exceptions_that_claim_to_be_equal_are_told_apart():
    class Same(Exception):  # noqa: N818 - a name for the test
        def __eq__(self, other):
            raise RuntimeError

        __hash__ = None

    outer = Same()
    outer.__cause__ = Same()

    assert describe(outer).traceback.count("Same") == 2


def test_a_group_names_its_members():
    text = describe(ExceptionGroup("4111", [ValueError("4111"), KeyError("4111")])).traceback

    assert "ExceptionGroup" in text
    assert "of the group: ValueError" in text
    assert "of the group: KeyError" in text
    assert "4111" not in text


def test_a_group_says_where_its_members_failed():
    async def pay():
        raise ValueError("4111")

    async def handle():
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(pay())

    text = describe(caught(lambda: asyncio.run(handle()))).traceback

    assert ", in pay\n" in text
    assert "4111" not in text.replace('"4111"', "")


def test_groups_within_groups_come_to_an_end():
    group = ExceptionGroup("", [ValueError()])
    for _ in range(500):
        group = ExceptionGroup("", [group])

    assert describe(group).traceback.count("of the group") == 3


def test_a_recursion_is_cut_in_its_middle():
    def down(depth):
        return down(depth - 1) if depth else 1 / 0

    text = describe(caught(lambda: down(900))).traceback

    assert "more" in text
    assert text.count("in down") < 50
    assert text.rstrip().endswith("ZeroDivisionError")
    assert len(text) < MAX_TEXT + 100


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ('connect("db", password="hunter2", user="bob")', 'connect("db", password(hidden)'),
        ('connect(password=("hunter2"))', "connect("),
        ('login(password="x" "hunter2")', "login("),
        ('password = os.environ.get("PW", "hunter2")', "password"),
        ('token = given if given else "hunter2"', "token"),
        ("x = {'n': 1, 'api_token': 'hunter2'}", "'n': 1"),
        ('headers = {"Authorization": "Bearer hunter2"}', "headers"),
        ('if secret == "hunt\\"er2": fail()', "if secret"),
        ('os.environ["DB_PASSWORD"] = f"hunter2{x}"', "os.environ"),
        ('url = "postgres://bob:hunter2@db/shop"', "@db/shop"),
        ('url = "postgres://bob:p@hunter2@db/shop"', "@db/shop"),
        ('get(f"https://shop/orders?api_key=hunter2&page={page}")', "https://shop/orders"),
        ('config["sasl.jaas.config"] = "hunter2', "config"),
        ("key='''hunter2'''", "key"),
        ('pwd = "hunter2"', "pwd"),
        ('password": "hunter2", # in the middle of a longer literal', "password"),
        ("order = Order.objects.get(key=message.key)", "(key=message.key)"),
    ],
)
def test_secrets_in_the_code_are_hidden(line, kept, monkeypatch):
    monkeypatch.setattr("linecache.getline", lambda file, number: line)

    text = describe(caught(lambda: failing_on(1))).traceback

    assert "hunt" not in text
    assert "er2" not in text
    assert kept in text


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (Reject("sold out"), "sold out"),
        (Reject(), ""),
        (Retry(3), "The handler asked for another attempt, and there were none left."),
        (
            DecodeError("the value of t[0]@3: byte 1 is not valid utf-8"),
            "the value of t[0]@3: byte 1 is not valid utf-8",
        ),
        (ValueError("card 4111"), ""),
    ],
)
def test_the_reason_is_what_we_or_the_handler_gave(error, reason):
    assert describe(error).reason == reason


def test_of_a_database_error_its_code_is_kept():
    class DriverError(Exception):
        sqlstate = "22003"

    error = DataError("integer 4111 out of range")
    error.__cause__ = DriverError()

    assert describe(error).reason == "SQLSTATE 22003"
    assert describe(ExceptionGroup("tasks", [KeyError(), error])).reason == "SQLSTATE 22003"


def test_what_postgresql_refuses_is_written_out():
    description = describe(Reject("a\0b\ud800c"))

    assert description.reason == "a\\x00b\\ud800c"


def test_a_reason_without_words_or_with_too_many_keeps_nothing_from_being_parked():
    class Mute:
        def __str__(self):
            raise RuntimeError

    assert describe(Reject(Mute())).reason == ""
    assert len(describe(Reject("x" * 10**6)).reason) == MAX_TEXT
