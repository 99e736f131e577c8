"""`make matrix`: which versions it runs, and what it says of them; and servers of other versions."""

from __future__ import annotations

import re
import sys
import tomllib

import pytest

from tests import later_debian, matrix
from tests.matrix import (
    NOT_FOR_IT,
    NOT_FOUND,
    Pair,
    failures,
    interpreter,
    is_good,
    requirements_for,
    summary,
    table,
)
from tests.processes import PROJECT
from tests.services import kafka_jars
from tests.services.postgres import missing_for_postgres

REFERENCE = PROJECT / "docs" / "reference" / "versions.md"


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("....\n12 passed in 3.21s\n", "12 passed"),
        ("2 failed, 3210 passed, 4 skipped in 61.00s (0:01:01)", "2 failed, 3210 passed, 4 skipped"),
        ("1 failed, 5 passed, 2 errors in 1.00s", "3 failed, 5 passed"),
        ("said 7 failed\n5 passed, 3 rerun in 1.00s\n", "5 passed"),
        ("ImportError: no module", "failed before any test"),
    ],
)
def test_a_run_is_summed_up_by_its_closing_line(output, said):
    assert summary(output) == said


@pytest.mark.parametrize(
    ("result", "good"),
    [
        ("12 passed", True),
        ("1 failed, 12 passed", False),
        ("failed (3)", False),
        ("failed to install", False),
        ("4 skipped", False),
    ],
)
def test_a_pair_that_ran_no_test_is_no_success(result, good):
    assert is_good(result) is good


def test_the_requirements_are_those_of_the_project_with_another_django():
    assert list(requirements_for("6.1", "# pins\nDjango==5.2.19\ndjango-environ==0.14.0")) == [
        "# pins",
        "Django~=6.1.0",
        "django-environ==0.14.0",
    ]


def test_this_python_is_found_and_one_that_is_not_there_is_not():
    assert interpreter(f"{sys.version_info.major}.{sys.version_info.minor}") is not None
    assert interpreter("3.99") is None


def test_one_is_found_in_a_later_debian_if_it_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(matrix, "FOLDER", tmp_path)
    program = tmp_path / "debian-later" / "usr" / "bin" / "python3.99"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)

    assert interpreter("3.99") is None
    program.write_text("#!/bin/sh\nexit 0\n")
    assert interpreter("3.99") == str(program)


def test_the_newest_pair_is_of_the_newest_python_that_is_found(monkeypatch, capsys):
    monkeypatch.setattr(matrix, "interpreter", lambda python: None if python == "3.14" else "python")
    monkeypatch.setattr(matrix, "_result", lambda pair, *_: f"{pair} passed")

    assert matrix.main(["--newest"]) == 0

    assert capsys.readouterr().out.splitlines()[1:] == [
        "             Django 6.1",
        "Python 3.13  Python 3.13, Django 6.1 passed",
    ]


def test_what_touches_django_is_there_and_named_once():
    files = matrix.of_django()

    assert all((PROJECT / name).is_file() for name in files)
    assert len(files) == len(set(files))
    for pattern in matrix.OF_DJANGO:
        assert list(PROJECT.glob(f"tests/unit/test_{pattern}.py")), f"no file is left of {pattern}"


def test_environments_can_be_made_without_running_anything(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(matrix, "_set_up", lambda *_: True)

    assert matrix.main(["--set-up", "--python", "3.11", "--django", "5.2", "6.1"]) == 0

    said = capsys.readouterr().out
    assert "Python 3.11  set up      -" in said
    assert "Python 3.11, Django 6.1: NOT RUN, it needs Python 3.12" in said


def test_what_failed_is_named_and_so_is_what_passed_later():
    output = "..F\nERROR in between\nRERUN tests/a.py::b\nFAILED tests/a.py::c - AssertionError\n1 failed, 2 passed"

    assert failures(output) == ["RERUN tests/a.py::b", "FAILED tests/a.py::c - AssertionError"]


def test_the_package_names_the_versions_that_the_reference_says_were_run():
    classifiers = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["classifiers"]

    rows = re.findall(r"^\| (Python|Django) \| (\d.*)\|$", REFERENCE.read_text(), re.MULTILINE)
    for name, cells in rows:
        family = f"Programming Language :: {name} :: 3." if name == "Python" else f"Framework :: {name} :: "
        named = {text.rpartition(" ")[2] for text in classifiers if text.startswith(family)}
        assert named == set(re.findall(r"\b\d+\.\d+", cells))
    assert len(rows) == 2


def test_another_kafka_has_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(kafka_jars, "LIBS", tmp_path / "libs")
    monkeypatch.setattr(kafka_jars, "VERSION", "3.9.1")
    fetched = []
    monkeypatch.setattr(kafka_jars, "_fetch", fetched.append)

    assert kafka_jars.fetch_jars() == tmp_path / "libs-3.9.1"
    assert kafka_jars.fetch_jars("4.0.0") == tmp_path / "libs-4.0.0"
    assert fetched == ["3.9.1", "4.0.0"]


@pytest.mark.parametrize(("version", "lacks_it"), [("3.9.1", True), ("4.0.0", False), (None, False)])
def test_an_older_kafka_lacks_the_newer_group_protocol(version, lacks_it, monkeypatch):
    monkeypatch.setattr(kafka_jars, "VERSION", version)

    assert (kafka_jars.missing_for_kip_848() is not None) == lacks_it


def test_postgresql_is_missing_where_the_one_that_is_asked_for_is(tmp_path, monkeypatch):
    monkeypatch.setenv("POSTGRES_PROGRAMS", str(tmp_path))

    assert missing_for_postgres() is not None
    (tmp_path / "postgres").touch()
    assert missing_for_postgres() is None


def test_programs_of_a_later_debian_are_those_that_need_its_libraries(tmp_path):
    folder = tmp_path / "usr" / "bin"
    folder.mkdir(parents=True)
    (folder / "python3.99").write_bytes(b"\x7fELF and more")
    (folder / "python3.99-config").write_text("#!/bin/sh")
    (folder / "python3.98").symlink_to("python3.99")

    assert later_debian.programs(tmp_path) == [folder / "python3.99"]


def test_environments_of_a_later_debian_get_its_pip_however_often_it_is_brought(tmp_path):
    values = tmp_path / "usr" / "lib" / "python3.99" / "_sysconfigdata__linux.py"
    values.parent.mkdir(parents=True)
    values.write_text("{'WHEEL_PKG_DIR': '/usr/share/python-wheels/'}")

    later_debian.use_own_pip(tmp_path)
    later_debian.use_own_pip(tmp_path)

    assert values.read_text() == f"{{'WHEEL_PKG_DIR': '{tmp_path}/usr/share/python-wheels/'}}"


def test_django_6_is_not_tried_on_a_python_that_it_refuses():
    assert not Pair(python="3.11", django="6.0").fits
    assert Pair(python="3.12", django="6.0").fits
    assert Pair(python="3.11", django="5.2").fits


def test_the_table_has_a_line_for_each_python():
    results = {
        Pair(python="3.11", django="5.2"): "12 passed",
        Pair(python="3.11", django="6.1"): NOT_FOR_IT,
        Pair(python="3.14", django="5.2"): NOT_FOUND,
        Pair(python="3.14", django="6.1"): "1 failed, 11 passed",
    }

    assert table(results, ["3.11", "3.14"], ["5.2", "6.1"]) == [
        "             Django 5.2  Django 6.1",
        "Python 3.11  12 passed   -",
        "Python 3.14  not found   1 failed, 11 passed",
    ]


def test_a_failure_is_the_exit_status(monkeypatch, capsys):
    monkeypatch.setattr(matrix, "_result", lambda pair, *_: "1 failed" if pair.django == "6.1" else "1 passed")

    assert matrix.main(["--python", "3.12", "--django", "5.2"]) == 0
    assert matrix.main(["--python", "3.12"]) == 1
    assert "Python 3.12  1 passed    1 passed    1 failed" in capsys.readouterr().out


def test_what_was_not_run_is_no_failure_but_a_matrix_that_ran_nothing_is_one(monkeypatch):
    results = {"3.11": NOT_FOR_IT, "3.12": "1 passed", "3.14": NOT_FOUND}
    monkeypatch.setattr(matrix, "_result", lambda pair, *_: results[pair.python])

    assert matrix.main(["--python", "3.11", "3.12", "3.14"]) == 0
    assert matrix.main(["--python", "3.11", "3.14"]) == 1
