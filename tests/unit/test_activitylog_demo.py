"""The demo's processes start, are watched, and never stay behind."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from activitylog.demo.operator import open_account
from activitylog.demo.parts import Part, Parts
from activitylog.demo.show import DemoError, Wishes, check_port, raise_if_ended
from activitylog.demo.visitors import EMAIL, NAMES, sign_up_all
from tests.factories import UserFactory
from tests.processes import PROJECT, ChildProcess, environment, is_running
from tests.waiting import wait_for

WAITING = "import os, threading; print('here', os.getpid(), flush=True); threading.Event().wait()"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITING


class Terminal:
    """Collects what the parts write."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, part: Part, line: str) -> None:
        self.lines.append((part.name, line))

    def pid_of(self, name: str) -> int:
        def find() -> int | None:
            return next((int(line.split()[1]) for part, line in self.lines if part == name and "here" in line), None)

        return wait_for(find, 30, lambda: f"{name} in {self.lines}") or 0


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


@pytest.fixture
def parts(terminal: Terminal) -> Iterator[Parts]:
    parts = Parts(terminal, environment())
    yield parts
    parts.stop(is_urgent=lambda: True)


def running(name: str, code: str = WAITING, grace_seconds: float = 20) -> Part:
    return Part(name=name, command=("shell", "--no-imports", "-c", code), colour="red", grace_seconds=grace_seconds)


def test_what_the_parts_write_is_shown_under_their_names_and_stopping_leaves_none(
    parts: Parts, terminal: Terminal
) -> None:
    parts.start(running("one"))
    parts.start(running("two"))
    pids = [terminal.pid_of("one"), terminal.pid_of("two")]

    parts.stop(is_urgent=lambda: False)

    assert not any(is_running(pid) for pid in pids)
    assert parts.find_ended() is None


def test_the_last_one_started_is_stopped_first(parts: Parts, terminal: Terminal) -> None:
    goodbye = "signal.signal(signal.SIGTERM, lambda *_: (print('bye', flush=True), os._exit(0)))"
    code = f"import os, signal; {goodbye}; {WAITING}"
    for name in ("one", "two", "three"):
        parts.start(running(name, code))
        terminal.pid_of(name)

    parts.stop(is_urgent=lambda: False)

    assert [name for name, line in terminal.lines if line == "bye"] == ["three", "two", "one"]


def test_a_part_that_ends_by_itself_is_named_with_its_status(parts: Parts) -> None:
    parts.start(running("one", "raise SystemExit(7)"))

    wait_for(parts.find_ended, 30)

    with pytest.raises(DemoError, match="one ended with status 7"):
        raise_if_ended(parts)


def test_a_part_that_was_killed_is_named_with_the_signal(parts: Parts, terminal: Terminal) -> None:
    parts.start(running("one"))
    os.kill(terminal.pid_of("one"), signal.SIGKILL)

    wait_for(parts.find_ended, 30)

    with pytest.raises(DemoError, match="one was killed by SIGKILL"):
        raise_if_ended(parts)


def test_a_part_that_does_not_stop_is_killed_after_its_grace_period(parts: Parts, terminal: Terminal) -> None:
    parts.start(running("one", STUBBORN, grace_seconds=0.3))
    pid = terminal.pid_of("one")

    parts.stop(is_urgent=lambda: False)

    assert not is_running(pid)
    assert ("one", "did not stop in time, so it is killed") in terminal.lines


def test_whoever_asks_twice_does_not_wait_for_the_grace_period(parts: Parts, terminal: Terminal) -> None:
    parts.start(running("one", STUBBORN, grace_seconds=3600))
    pid = terminal.pid_of("one")
    wishes = Wishes(clock=iter([10.0, 12.0]).__next__)
    wishes.ask()
    wishes.ask()

    parts.stop(is_urgent=wishes.is_urgent)

    assert not is_running(pid)


def test_a_signal_that_make_passes_on_as_well_is_one_wish_to_stop() -> None:
    wishes = Wishes(clock=iter([10.0, 10.1]).__next__)

    wishes.ask()
    wishes.ask()

    assert wishes.is_asked()
    assert not wishes.is_urgent()


def test_a_part_ends_with_a_demo_that_was_killed(tmp_path: Path) -> None:
    code = f"""
import os
from activitylog.demo.parts import Part, Parts
parts = Parts(lambda part, line: print(line, flush=True), os.environ)
parts.start(Part(name="one", command=("shell", "--no-imports", "-c", {WAITING!r}), colour="red"))
import threading; threading.Event().wait()
"""
    demo = ChildProcess([sys.executable, "-c", code], log=tmp_path / "log", env=environment(), cwd=PROJECT)
    pid = int(demo.wait_for_output(r"here (\d+)", 30)[1])

    demo.signal(signal.SIGKILL)

    wait_for(lambda: not is_running(pid), 10, "the part to end")
    demo.close()


def test_a_port_that_is_taken_is_said_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()

        with pytest.raises(DemoError, match="choose another with --port"):
            check_port(taken.getsockname()[1])


@pytest.mark.parametrize("traffic", ["-1", "many", "nan", "1000000"])
def test_traffic_is_a_reasonable_number(traffic: str) -> None:
    with pytest.raises(CommandError, match="a number from 0 to 200 is needed"):
        call_command("demo", "--traffic", traffic)


@pytest.mark.django_db(transaction=True)  # it closes the connections it used
def test_simulated_visitors_leave_real_accounts_alone() -> None:
    user = UserFactory(username=NAMES[0])

    names = [name for name, _ in sign_up_all()]
    again = [name for name, _ in sign_up_all()]

    user.refresh_from_db()
    assert user.check_password("beetle-beetle")
    assert names == again == list(NAMES[1:])
    assert type(user).objects.filter(email=EMAIL).count() == len(names)


@pytest.mark.django_db
class TestTheOperatorsAccount:
    def test_it_signs_in_to_the_overview_with_the_password_that_was_said(self, client: Client, settings: Any) -> None:
        settings.DEBUG = True
        account = open_account()

        assert account is not None
        assert client.login(username=account.name, password=account.password)
        assert client.get(reverse("admin:kafka_integration_overview")).status_code == 200
        assert client.get(reverse("admin:auth_user_changelist")).status_code == 403

    def test_each_start_has_a_password_of_its_own(self, client: Client, settings: Any) -> None:
        settings.DEBUG = True
        first, second = open_account(), open_account()

        assert first is not None
        assert second is not None
        assert first.password != second.password
        assert not client.login(username=first.name, password=first.password)
        assert second.password not in repr(second)

    def test_somebody_real_who_has_its_name_keeps_it(self, client: Client, settings: Any) -> None:
        settings.DEBUG = True
        UserFactory(username="operator", email="somebody@example.org", password="theirs")

        assert open_account() is None
        assert client.login(username="operator", password="theirs")

    def test_a_site_that_is_no_development_site_gets_none(self, settings: Any) -> None:
        settings.DEBUG = False

        assert open_account() is None
        assert not User.objects.exists()
