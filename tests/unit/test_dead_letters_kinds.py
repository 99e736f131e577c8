"""Kinds of dead letters: by consumer, exception and place in the project's code, as a deployment leaves it."""

from __future__ import annotations

import importlib
import json
import sys
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now

from kafka_integration import Reject
from kafka_integration.dead_letters import kinds as kinds_module
from kafka_integration.dead_letters.kinds import grouped, kinds, waiting_in
from kafka_integration.dead_letters.locations import location_in, location_of
from kafka_integration.dead_letters.redaction import describe
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter, make_letters
from tests.unit.test_dead_letters_redaction import caught

State = DeadLetter.State

HANDLER = """
def handle(message):
    return find(message)

def find(message):
    return {}[message]
"""


def run(*arguments):
    output, errors = StringIO(), StringIO()
    call_command("kafkadeadletters", *arguments, stdout=output, stderr=errors)
    return output.getvalue()


def read(*arguments):
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def release(tmp_path, monkeypatch):
    """A release of a project: the module ``shoproom.handlers`` in a directory of its own."""

    def make(name, source):
        package = tmp_path / name / "shoproom"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "handlers.py").write_text(source)
        monkeypatch.syspath_prepend(str(tmp_path / name))
        for module in [module for module in sys.modules if module.startswith("shoproom")]:
            monkeypatch.delitem(sys.modules, module)
        return importlib.import_module("shoproom.handlers")

    return make


def test_the_place_is_the_innermost_line_of_the_projects_with_module_function_and_text(release):
    handlers = release("one", HANDLER)

    assert location_of(caught(lambda: handlers.handle("x"))) == "shoproom.handlers.find: return {}[message]"


def test_lines_that_move_are_the_same_place(release):
    before = describe(caught(lambda: release("one", HANDLER).handle("x")))
    after = describe(caught(lambda: release("two", f"import json\n\n# A comment.\n{HANDLER}").handle("y")))

    assert before.columns("c")["kind"] == after.columns("c")["kind"]
    assert before.traceback != after.traceback


def test_another_line_another_exception_and_another_consumer_are_other_kinds(release):
    first = describe(caught(lambda: release("one", HANDLER).find("x")))
    line = describe(caught(lambda: release("two", HANDLER.replace("{}[message]", "{}[ message ]")).find("x")))
    exception = describe(caught(lambda: release("three", HANDLER.replace("{}[", "[][")).find(3)))

    found = [first.columns("c"), first.columns("d"), line.columns("c"), exception.columns("c")]

    assert len({columns["kind"] for columns in found}) == 4


def test_what_django_and_the_standard_library_add_is_left_out():
    from django.core.validators import validate_email

    def check():
        validate_email("nobody")

    assert location_of(caught(check)) == f'{__name__}.check: validate_email("nobody")'
    assert location_of(caught(lambda: json.loads("{"))).startswith(f"{__name__}.<lambda>: ")


def test_what_led_to_an_error_tells_the_place_where_it_has_none_itself():
    def check():
        raise ValueError

    bare = KeyError()
    bare.__cause__ = caught(check)

    assert location_of(bare) == f"{__name__}.check: raise ValueError"
    assert location_of(KeyError()) == ""


def test_a_refusal_is_told_by_where_it_was_raised():
    def refuse():
        raise Reject("sold out")

    assert location_of(caught(refuse)) == f'{__name__}.refuse: raise Reject("sold out")'


def test_no_secret_of_a_line_is_in_a_place():
    def log_in():
        raise ValueError({"password": "hunter2"})

    assert "hunter2" not in location_of(caught(log_in))


def test_a_kept_traceback_tells_the_same_place_as_the_error_did(release):
    error = caught(lambda: release("one", HANDLER).handle("x"))

    assert location_in(describe(error).traceback) == location_of(error)


def test_a_kept_traceback_tells_the_place_also_if_that_release_is_gone(release):
    error = caught(lambda: release("one", HANDLER).handle("x"))
    kept = describe(error).traceback.replace("/one/", "/removed/")
    release("two", HANDLER)

    assert location_in(kept) == location_of(error)


@pytest.mark.parametrize("text", ["", "no traceback", "Traceback (most recent call last):\n  File"])
def test_a_traceback_without_a_line_of_the_projects_tells_none(text):
    assert location_in(text) == ""


@pytest.mark.django_db
def test_kinds_have_the_documented_fields_and_the_most_frequent_is_first():
    first = make_letter(kind="aaaa", location="shop.handlers.place: stock[sku]", exception="builtins.KeyError")
    last = make_letter(kind="aaaa", location="shop.handlers.place: stock[sku]", exception="builtins.KeyError")
    make_letter(kind="bbbb", location="")
    make_letter(kind="aaaa", state=State.HANDLED)
    DeadLetter.objects.filter(pk=first.pk).update(failed_at=Now() - timedelta(days=1))
    first.refresh_from_db()

    found = read("kinds")

    assert found[0] == {
        "kind": "aaaa",
        "consumer": "shop",
        "exception": "builtins.KeyError",
        "location": "shop.handlers.place: stock[sku]",
        "count": 2,
        "first_at": first.failed_at.isoformat(),
        "last_at": last.failed_at.isoformat(),
    }
    assert [(kind["kind"], kind["location"], kind["count"]) for kind in found[1:]] == [("bbbb", None, 1)]


@pytest.mark.django_db
def test_kinds_are_a_table_for_people_that_no_terminal_obeys():
    make_letter(kind="aaaa", location="shop.place: \x1b[2J", exception="shop.Odd\u202e")

    printed = run("kinds")

    assert "shop.place: \\x1b[2J" in printed
    assert not set(printed) & set("\x1b\u202e")


@pytest.mark.django_db
def test_no_dead_letters_are_no_kinds():
    assert read("kinds") == []


@pytest.mark.django_db
def test_rows_of_an_earlier_version_get_their_kind_of_the_traceback_that_they_hold(release):
    description = describe(caught(lambda: release("one", HANDLER).handle("x")))
    columns = description.columns("shop")
    old = {"exception": description.exception, "traceback": description.traceback}
    make_letter(**old)
    make_letter(**old | {"traceback": ""})
    make_letter(**columns)

    found = {kind["kind"]: kind for kind in read("kinds")}

    assert found[columns["kind"]]["count"] == 2
    assert sorted((kind["location"] is None, kind["count"]) for kind in found.values()) == [(False, 2), (True, 1)]
    assert not DeadLetter.objects.filter(kind=None).exists()


@pytest.mark.django_db
def test_what_there_is_no_time_to_tell_apart_is_said_and_not_left_out(monkeypatch):
    monkeypatch.setattr(kinds_module, "PAGE", 2)
    monkeypatch.setattr(kinds_module, "NAMING_SECONDS", -1)
    make_letters(5)

    found = read("kinds")

    assert [(kind["kind"], kind["exception"], kind["count"]) for kind in found] == [
        (None, None, 3),
        (found[1]["kind"], "builtins.ValueError", 2),
    ]
    assert "not told apart yet" in run("kinds")


@pytest.mark.django_db
def test_a_kind_narrows_the_list_and_what_is_replayed_and_discarded():
    mine, other, settled = (
        make_letter(kind="aaaa"),
        make_letter(kind="bbbb"),
        make_letter(kind="aaaa", state=State.HANDLED),
    )

    assert [letter["id"] for letter in read("list", "--kind", "aaaa")] == [mine.pk]
    assert [letter["id"] for letter in read("list", "--kind", "aaaa", "--state", "handled")] == [settled.pk]
    assert read("replay", "--kind", "aaaa")["ids"] == [mine.pk]
    assert read("discard", "--kind", "bbbb")["ids"] == [other.pk]


@pytest.mark.django_db
def test_kinds_cost_an_index_and_no_row():
    make_letters(3000, kind="aaaa", location="")

    groups = grouped(waiting_in("default"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            # Of a table as small as this one it would read the whole, and by whichever index before it was vacuumed.
            for way in ("seqscan", "bitmapscan", "indexscan"):
                cursor.execute(f"SET LOCAL enable_{way} = off")
    plan = groups.explain()

    assert "INDEX kafka_integration_kinds" in plan or "Index Only Scan using kafka_integration_kinds" in plan
    assert "COVERING" in plan or "Index Only" in plan
    assert kinds(["default"])[0].count == 3000
