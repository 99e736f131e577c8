"""``runconsumer`` called by a program, with ``call_command``: it leaves the program as it was."""

import signal
import threading

import pytest
from django.core.management import call_command

from tests.unit import scripted
from tests.unit.consumers import committed, write

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


def test_it_runs_in_a_thread_too():
    write("a")
    thread = threading.Thread(target=call_command, args=("runconsumer", "--until-caught-up"))

    thread.start()
    thread.join(20)

    assert values() == ["a"]
