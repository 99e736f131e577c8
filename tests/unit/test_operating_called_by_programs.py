"""``runconsumer`` called by a program, with ``call_command``: it leaves the program as it was; so does ``runrelay``."""

import gc
import logging
import signal
import threading

import pytest
from django.core.management import CommandError, call_command

from kafka_integration.management.commands import runconsumer, runrelay
from kafka_integration.operating.garbage import DEFAULT_THRESHOLD
from tests.unit import scripted
from tests.unit.consumers import committed, consumer_settings, write

# At its start the command asks the database for its migrations, in a thread of its own.
pytestmark = [pytest.mark.usefixtures("memory_transport"), pytest.mark.django_db(transaction=True)]


def values():
    return [message.value for message in scripted.seen]


def test_it_returns_and_the_programs_signal_handlers_are_back():
    write("a", "b")
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)]

    call_command("runconsumer", "c", "--until-caught-up")

    assert values() == ["a", "b"]
    assert committed() == 2
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)] == before


@pytest.mark.parametrize("command", [runconsumer, runrelay], ids=["runconsumer", "runrelay"])
def test_the_garbage_collector_is_spared_in_a_process_of_its_own_and_in_no_other(monkeypatch, command):
    calls = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append("freeze"))
    monkeypatch.setattr(gc, "set_threshold", lambda *thresholds: calls.append("set_threshold"))
    monkeypatch.setattr(gc, "get_threshold", lambda: DEFAULT_THRESHOLD)
    name, option = command.__name__.rpartition(".")[2], "--until-caught-up" if command is runconsumer else "--once"

    call_command(name, option)
    assert calls == []

    command.Command().run_from_argv(["manage.py", name, option])
    assert set(calls) == {"freeze", "set_threshold"}


def test_it_runs_in_a_thread_too():
    write("a")
    thread = threading.Thread(target=call_command, args=("runconsumer", "--until-caught-up"))

    thread.start()
    thread.join(20)

    assert values() == ["a"]


@pytest.mark.parametrize(
    ("ordering", "line"),
    [
        ("partition", "consumer c: joining group group for events"),
        ("key", 'consumer c: joining group group for events, with ordering "key"'),
        ("none", 'consumer c: joining group group for events, with ordering "none"'),
    ],
)
def test_the_first_line_of_its_log_names_an_ordering_that_is_not_the_usual_one(settings, caplog, ordering, line):
    settings.KAFKA = consumer_settings(ordering=ordering)

    with caplog.at_level(logging.INFO, logger="kafka_integration"):
        call_command("runconsumer", "--until-caught-up")

    assert line in [record.getMessage() for record in caplog.records]


@pytest.mark.parametrize(
    ("command", "options", "error"),
    [
        (["runconsumer"], {"metrics_port": 99999}, "--metrics-port: '99999' is not a whole number from 0 to 65535"),
        (["runconsumer"], {"metrics_port": "http"}, "--metrics-port: 'http' is not a whole number"),
        (["runconsumer"], {"processes": 0}, "--processes: '0' is not a whole number from 1 to 128"),
        (["runconsumer"], {"max_messages": 1.5}, "--max-messages: '1.5' is not a whole number"),
        (["runrelay"], {"metrics_port": -1}, "--metrics-port: '-1' is not a whole number"),
        (["kafkatail", "events"], {"max_messages": 0}, "--max-messages: 0 is no number of messages"),
        (["kafkagroups", "reset", "group"], {"target": "soon"}, "--to: soon is neither"),
        (["kafkadeadletters", "list"], {"state": "lost"}, "--state: invalid choice: 'lost'"),
    ],
)
def test_what_a_program_passes_by_name_is_refused_as_if_it_were_typed(command, options, error):
    with pytest.raises(CommandError) as raised:
        call_command(*command, **options)

    assert error in str(raised.value)


def test_what_a_program_passes_by_name_may_be_a_text_or_what_the_text_means(tmp_path):
    write("a", "b", "c")
    pulse = tmp_path / "alive"

    call_command("runconsumer", max_messages="1", heartbeat_file=str(pulse))
    call_command("runconsumer", max_messages=1, heartbeat_file=pulse)

    assert values() == ["a", "b"]
