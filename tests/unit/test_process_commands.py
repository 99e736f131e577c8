"""What processes are asked to do: taken up, carried out and answered, or given up for good."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models.functions import Now

from kafka_integration.client.metadata.topic_layouts import TopicLayouts
from kafka_integration.client.transports.memory import MemoryBroker
from kafka_integration.consuming.group.pauses import Pauses
from kafka_integration.errors import BrokerUnavailableError
from kafka_integration.models import Process, ProcessCommand
from kafka_integration.operating.presence import asking
from kafka_integration.operating.presence.answering import Answering
from tests.unit import scripted
from tests.unit.consumers import committed, write
from tests.unit.live import listed, make_row, partitions, process
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

State = ProcessCommand.State


@pytest.fixture(autouse=True)
def topic(memory_transport: MemoryBroker) -> None:
    memory_transport.create_topic("events", 2)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    opened = threading.Event()
    yield opened
    opened.set()


@pytest.fixture
def is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks gives up at once."""
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 0.2)


def ask(*arguments: Any) -> str:
    """What the command printed; where it failed, that is in the error."""
    out, err = StringIO(), StringIO()
    try:
        call_command("kafkaprocesses", *arguments, stdout=out, stderr=err)
    except CommandError as error:
        raise CommandError(f"{err.getvalue()}{error}", returncode=error.returncode) from error
    return out.getvalue()


def seen() -> int:
    """The id of the process, once it says that its consumer owns something."""
    return wait_for(lambda: next((row["id"] for row in listed() if partitions()), 0))


def stands(**wanted: Any) -> bool:
    found = partitions().get(0, {})
    return all(found.get(key) == value for key, value in wanted.items())


def test_a_paused_consumer_shows_its_lag_until_it_is_resumed():
    with process():
        seen()
        said = ask("pause", "c")
        write("a", "b")
        wait_for(lambda: stands(state="waiting", reason="paused", lag=2))
        before = list(scripted.seen)
        ask("resume", "c")
        wait_for(lambda: stands(state="caught_up", lag=0, position=2))

    assert "all partitions of consumer c paused" in said
    assert before == []
    assert committed() == 2


def test_a_loop_that_does_not_turn_is_said_to_do_it_as_soon_as_it_does(monkeypatch):
    turns = Pauses.carry_out
    monkeypatch.setattr(Pauses, "carry_out", lambda *arguments: None)
    with process():
        seen()
        said = ask("pause", "c")
        before = partitions()[0]["reason"]
        monkeypatch.setattr(Pauses, "carry_out", turns)
        wait_for(lambda: stands(reason="paused"))

    assert "all partitions of consumer c paused: as soon as its loop turns, which it doesn't at the moment" in said
    assert before is None


def test_one_partition_is_paused_by_its_number():
    with process():
        seen()
        ask("pause", "c", "--topic", "events:1")
        wait_for(lambda: partitions()[1]["reason"] == "paused")

        assert partitions()[0]["reason"] is None


def test_a_topic_that_the_consumer_does_not_read_is_refused():
    with process():
        seen()

        with pytest.raises(CommandError, match=r"doesn't read topic other; it reads: events") as raised:
            ask("pause", "c", "--topic", "other")

    assert raised.value.returncode == 1


@pytest.mark.parametrize("action", ["pause", "resume"])
def test_a_partition_that_the_topic_does_not_have_is_refused(action):
    with process():
        seen()

        with pytest.raises(CommandError, match=r"topic events has no partition 7, only 0 to 1") as raised:
            ask(action, "c", "--topic", "events:7")

    assert raised.value.returncode == 1


def test_a_partition_that_nobody_can_ask_about_is_paused_as_it_comes(monkeypatch):
    def away(self):
        raise BrokerUnavailableError("no broker can be reached")

    monkeypatch.setattr(TopicLayouts, "ask", away)
    with process():
        seen()

        said = ask("pause", "c", "--topic", "events:7")

    assert "events[7] of consumer c paused" in said


def test_a_consumer_that_nobody_runs_is_refused_with_those_that_run():
    with process():
        seen()

        with pytest.raises(CommandError, match='no process runs consumer "d"; those that run: c'):
            ask("pause", "d")


def test_a_quiet_process_begins_nothing_more_and_keeps_its_partitions_until_it_is_stopped():
    with process() as end:
        id = seen()
        ask("quiet", id)
        write("a")
        wait_for(lambda: listed()[0]["state"] == "quiet" and stands(reason="paused", lag=1))
        with pytest.raises(CommandError, match="quiet until it is stopped"):
            ask("resume", "c")
        ask("stop", id)
        wait_for(lambda: not listed())

        assert end() == 0

    assert scripted.seen == []


def test_a_stopped_process_finishes_what_is_in_hand_and_leaves_with_status_0(gate):
    scripted.script.append(lambda message: gate.wait(10))
    write("a", "b")

    with process() as end:
        id = seen()
        wait_for(scripted.seen.copy)
        answer = ask("stop", id)
        wait_for(lambda: listed()[0]["state"] == "draining")
        gate.set()
        status = end()

    assert status == 0
    assert committed() == 1
    assert "stops, once what is in hand is finished, or after 25 s" in answer


@pytest.mark.parametrize("handler", ["handle", "handle_async"])
def test_a_trace_shows_where_handlers_are_and_no_payload(handler, gate):
    scripted.script.append(lambda message: gate.wait(10))
    write("top secret")

    with process(message_handler=f"tests.unit.scripted.{handler}"):
        id = seen()
        wait_for(scripted.seen.copy)
        shown = ask("trace", id)

    assert re.match(r"process \d+: events\[0\]: a handler has been at work for .*, lowest unfinished offset 0\n", shown)
    first, _, others = shown.partition("\n")[2].partition("\nthread ")
    assert re.match(r"thread c-l\S+, in a handler\n  File", first)
    assert f"in {handler}" in first
    assert re.search(r"^consumer-c: kafka_integration/|^thread consumer-c: kafka_integration/", others, re.M)
    assert "top secret" not in shown


def test_in_a_trace_those_that_only_wait_are_a_line_each(gate):
    scripted.script.append(lambda message: gate.wait(10))
    write("a")

    def wait_for_the_gate() -> None:
        gate.wait(10)

    # As the library's own may be, more than one of a name.
    somebody = [threading.Thread(target=wait_for_the_gate, name="somebody") for _ in range(2)]
    for each in somebody:
        each.start()
    with process(concurrency=2):
        id = seen()
        wait_for(scripted.seen.copy)
        shown = ask("trace", id)
        gate.set()
    for each in somebody:
        each.join()

    full, _, quiet = shown.partition("\nthread c-lane-2: ")
    assert quiet.startswith("kafka_integration/consuming/lanes/lane.py:")
    assert "File" not in quiet
    assert full.count("\nthread somebody\n  File") == 2


def test_a_trace_shows_coroutines_that_wait_and_what_for():
    write("top secret")

    with process(message_handler="tests.unit.test_process_commands.sleep_long"):
        id = seen()
        wait_for(lambda: SLEEPERS)
        shown = ask("trace", id)
        SLEEPERS.clear()

    assert "\n1 coroutine, in a handler\n" in shown
    assert "in sleep_longer" in shown.partition("\nthread ")[0]
    assert "top secret" not in shown


def test_equal_coroutines_are_shown_once_with_their_number():
    write("a", "b", "c", key=None)

    with process(message_handler="tests.unit.test_process_commands.sleep_long", ordering="none", concurrency=3):
        id = seen()
        wait_for(lambda: len(SLEEPERS) == 3)
        shown = ask("trace", id)
        SLEEPERS.clear()

    assert "\n3 coroutines, in a handler\n" in shown
    assert shown.count("in sleep_longer") == 1


def test_what_nobody_takes_up_in_time_fails_and_is_not_carried_out_later(is_late):
    row = make_row()
    done = []

    with pytest.raises(CommandError, match="not taken up") as raised:
        ask("stop", row.pk)
    Answering("default", {"stop": done.append}).look(row.pk)

    assert raised.value.returncode == 1
    assert done == []
    assert ProcessCommand.objects.get().state == State.FAILED


def test_what_is_older_than_10_s_is_not_taken_up_though_nobody_gave_it_up():
    row = make_row()
    ProcessCommand.objects.create(process=row, name="stop", requested_at=Now() - timedelta(seconds=11))
    done = []

    Answering("default", {"stop": done.append}).look(row.pk)

    assert done == []


def test_a_lost_process_is_not_asked():
    row = make_row(seen_at=Now() - timedelta(seconds=31))

    with pytest.raises(CommandError, match="is lost"):
        ask("stop", row.pk)

    assert not ProcessCommand.objects.exists()


def test_a_consumer_goes_on_in_a_process_too_that_could_not_say_for_a_while_that_it_is_alive():
    lost = make_row(seen_at=Now() - timedelta(seconds=31), consumers=[{"name": "c", "group": "g"}])
    with process():
        wait_for(lambda: partitions_of_others(lost))
        said = ask("resume", "c")
    done = []

    Answering("default", {"resume": lambda arguments: done.append(arguments) or ""}).look(lost.pk)

    assert "all partitions of consumer c resumed" in said
    assert f"process {lost.pk}: is lost, silent for" in said
    assert done == [{"consumer": "c", "topic": None, "partition": None}]


def test_a_consumer_whose_processes_are_all_lost_is_refused_and_asked_nothing():
    lost = make_row(seen_at=Now() - timedelta(seconds=31), consumers=[{"name": "c", "group": "g"}])

    with pytest.raises(CommandError, match=f'runs consumer "c"; those that run: none; .* not asked: process {lost.pk}'):
        ask("resume", "c")

    assert not ProcessCommand.objects.exists()


def partitions_of_others(lost: Process) -> bool:
    return Process.objects.exclude(pk=lost.pk).filter(consumers__icontains="events").exists()


def test_an_id_that_there_is_not_is_refused_with_those_that_there_are():
    row = make_row()

    with pytest.raises(CommandError, match=f"there is no process {row.pk + 1}; .*: {row.pk}"):
        ask("trace", row.pk + 1)


def test_who_fails_says_so_without_a_payload():
    row = make_row()
    command = ProcessCommand.objects.create(process=row, name="trace")

    def fail(arguments: Any) -> str:
        raise ValueError("top secret")

    Answering("default", {"trace": fail}).look(row.pk)

    command.refresh_from_db()
    assert command.state == State.FAILED
    assert "ValueError" in command.answer
    assert "secret" not in command.answer


def test_what_a_process_can_not_do_is_refused_with_what_it_can():
    row = make_row(kind=Process.Kind.RELAY)
    command = ProcessCommand.objects.create(process=row, name="pause")

    Answering("default", {"stop": str, "trace": str}).look(row.pk)

    command.refresh_from_db()
    assert (command.state, command.answer) == (State.FAILED, "this process can't pause; it can: stop, trace")


def test_who_is_interrupted_while_waiting_withdraws_what_was_asked(monkeypatch):
    row = make_row()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "sleep", interrupt)

    with pytest.raises(CommandError, match="interrupted"):
        ask("stop", row.pk)

    assert ProcessCommand.objects.get().state == State.FAILED


SLEEPERS: list[str] = []


async def sleep_long(message: Any) -> None:
    SLEEPERS.append(message.value)
    await sleep_longer()


async def sleep_longer() -> None:
    while SLEEPERS:
        await asyncio.sleep(0.05)
