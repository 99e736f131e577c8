"""`runconsumer --reload`: a change of the code is an ordinary stop and a new start."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.apps import AppConfig, apps

from kafka_integration.operating import reload
from tests.processes import PROJECT, ChildProcess, environment, is_running
from tests.waiting import wait_for

MANAGE = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "site_settings"
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
SETTINGS = """
SECRET_KEY = "of no use"
USE_TZ = True
INSTALLED_APPS = ["kafka_integration", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
KAFKA = {
    "endpoints": "memory",
    "consumers": {"c": {"topics": ["t"], "consumer_group": "g", "message_handler": "shop.handlers.handle"}},
}
"""
HANDLERS = "import os\nos.write(1, b'handlers %d\\n' % os.getpid())\ndef handle(message): ...\n"


@pytest.fixture
def site(tmp_path):
    """A project of its own, whose files a test may change."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop" / "handlers.py").write_text(HANDLERS)
    (tmp_path / "site_settings.py").write_text(SETTINGS)
    (tmp_path / "manage.py").write_text(MANAGE)
    return tmp_path


@pytest.fixture
def start(site):
    started = []

    def start(*arguments, program=("manage.py",)):
        command = [sys.executable, *program, "runconsumer", "--reload", *arguments]
        env = environment({"PYTHONPATH": str(PROJECT), "DJANGO_SETTINGS_MODULE": "site_settings"})
        started.append(ChildProcess(command, log=site / "log", env=env, cwd=site))
        return started[-1]

    yield start
    for process in started:
        process.close()
        for pid in process.descendants():
            os.kill(pid, signal.SIGKILL)


def child_of(process, number=1):
    """The pid of its n-th child, once that consumes."""
    wait_for(
        lambda: len(re.findall("assigned nothing", process.output())) >= number,
        20,
        lambda: f"{number} starts: {process.tail()}",
    )
    (child,) = process.descendants()
    return child


def change(site: Path, text: str, name: str = "shop/handlers.py") -> None:
    """A later write within the clock's grain is a change too."""
    path = site / name
    before = path.stat().st_mtime if path.exists() else 0
    path.write_text(text)
    os.utime(path, (before + 2, before + 2))


def test_a_folder_that_vanishes_during_a_look_is_a_change_like_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    for path in (tmp_path / "a.py", tmp_path / "gone" / "b.py"):
        path.touch()
    app = AppConfig.create("tests.shop")
    app.path = str(tmp_path)
    monkeypatch.setattr(apps, "get_app_configs", lambda: [app])
    monkeypatch.setattr(reload, "iter_all_python_module_files", list)
    code = reload._Code()
    scandir = os.scandir

    def vanish(folder: Any) -> Any:
        # Not the removal's own look, which is at a descriptor.
        if isinstance(folder, str | Path) and Path(folder).name == "gone":
            shutil.rmtree(folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", vanish)

    assert code.find_change() == tmp_path / "gone" / "b.py"


def test_a_change_stops_the_child_in_order_and_starts_another(site, start):
    process = start()
    first = child_of(process)

    change(site, HANDLERS)

    second = child_of(process, 2)
    assert first != second
    assert "handlers.py changed: starting again" in process.output()
    assert "consumer c: stopped" in process.output()
    assert process.terminate() == 0
    assert not is_running(second)


def test_code_that_cannot_run_waits_for_the_next_change(site, start):
    process = start()
    child_of(process)

    change(site, "def handle(message): 1 / \n")
    process.wait_for_output("it ended with status 1; waiting for a change of the code")
    change(site, HANDLERS)

    child_of(process, 2)
    assert process.terminate() == 0


def test_a_new_module_that_never_could_be_imported_is_watched_too(site, start):
    process = start()
    child_of(process)
    change(site, "nothing = \n", "shop/pieces.py")
    change(site, f"{HANDLERS}from shop.pieces import nothing\n")
    process.wait_for_output("it ended with status 1; waiting for a change of the code")

    change(site, "nothing = 1\n", "shop/pieces.py")

    child_of(process, 2)
    assert process.terminate() == 0


def test_a_stop_right_after_the_start_is_no_failure(start):
    process = start()
    wait_for(process.descendants, 10, "a child, still importing")

    assert process.terminate() == 0


def test_the_child_of_a_killed_reloader_stops(start):
    process = start()
    child = child_of(process)

    os.kill(process.pid, signal.SIGKILL)

    wait_for(lambda: not is_running(child), 10, "the child is gone")
    assert "the parent process" in process.output()


def test_workers_of_processes_are_reloaded_with_their_parent(site, start):
    process = start("--processes", "2")
    wait_for(lambda: process.output().count("assigned nothing") == 2, 20, process.tail)
    before = process.descendants()

    change(site, HANDLERS)

    wait_for(lambda: process.output().count("assigned nothing") == 4, 20, process.tail)
    after = process.descendants()
    assert (len(before), len(after)) == (3, 3)
    assert not set(before) & set(after)
    assert process.terminate() == 0
    assert not any(map(is_running, after))


@pytest.mark.parametrize("program", [("manage.py",), ("-m", "django"), ("-Wdefault", "manage.py")])
def test_the_child_is_started_as_its_parent_was(start, program):
    process = start(program=program)

    child = child_of(process)

    command = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
    assert [word.decode() for word in command[1:-1]] == [*program, "runconsumer", "--reload"]
    assert process.terminate() == 0


def test_the_abbreviated_option_makes_no_family_of_watchers(site):
    process = ChildProcess(
        [sys.executable, "manage.py", "runconsumer", "--rel"],
        log=site / "log",
        env=environment({"PYTHONPATH": str(PROJECT)}),
        cwd=site,
    )

    child_of(process)

    assert process.terminate() == 0


def test_an_unknown_consumer_is_refused_before_anything_is_watched(site):
    run = subprocess.run(
        [sys.executable, "manage.py", "runconsumer", "--reload", "nobody"],
        cwd=site,
        env=environment({"PYTHONPATH": str(PROJECT)}),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert run.returncode == 1
    assert 'there is no consumer "nobody"; settings.KAFKA has: c' in run.stderr
