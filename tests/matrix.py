"""The tests that need no server over versions of Django and Python: `python -m tests.matrix`, which is `make matrix`.

Each pair has an environment of its own in `.matrix/`, made on first use of what requirements.txt pins, but for Django.
An interpreter is taken where one is found: on the PATH, among pyenv's, or in a later Debian below `.matrix/`, which
`python -m tests.later_debian` brings. The exit status is 1 if a pair failed or none was run.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from kafka_integration.operating.columns import aligned

PROJECT = Path(__file__).resolve().parent.parent
FOLDER = PROJECT / ".matrix"
# https://docs.djangoproject.com/en/stable/faq/install/#what-python-version-can-i-use-with-django
OLDEST_PYTHON = {"5.2": "3.11", "6.0": "3.12", "6.1": "3.12"}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TESTS = ("tests/unit", "tests/embedded")
# What touches Django's own API, for which there is time where there is none for all.
OF_DJANGO = (
    *("*admin", "*admin_kinds", "admin_addresses", "*pages", "processes_page", "overview", "activitylog_site"),
    *("publish_[bcimr]*", "outbox_rows", "model_sink", "model_sink_de*", "operating_migrations"),
    *("checks", "health_checks", "process_commands", "consumer_transactions", "dead_letters_tasks", "testing_[acdp]*"),
)

NOT_FOR_IT = "-"
NOT_FOUND = "not found"
NOT_RUN = (NOT_FOR_IT, NOT_FOUND)
SET_UP = "set up"
COUNTS = re.compile(r"(\d+) (passed|failed|errors?|skipped)")
FAILURE = re.compile(r"(FAILED|ERROR|RERUN) tests/")
CLOSING = re.compile(r"\d+ (passed|failed|error).* in [\d.]+s")


@dataclass(frozen=True, kw_only=True)
class Pair:
    python: str
    django: str

    def __str__(self) -> str:
        return f"Python {self.python}, Django {self.django}"

    @property
    def fits(self) -> bool:
        return _numbers(self.python) >= _numbers(OLDEST_PYTHON[self.django])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description="The tests over Django and Python.")
    parser.add_argument("--python", nargs="+", choices=PYTHONS, default=PYTHONS)
    parser.add_argument("--django", nargs="+", choices=OLDEST_PYTHON, default=list(OLDEST_PYTHON))
    parser.add_argument("--newest", action="store_true", help="one pair: the newest Django on the newest Python found")
    parser.add_argument("--of-django", action="store_true", help="only what touches Django's own API, of tests/unit")
    parser.add_argument("--set-up", action="store_true", help="make the environments, and run nothing")
    parser.add_argument("--workers", default="2", help="how many processes run tests")
    parser.add_argument(
        "tests", nargs="*", default=TESTS, help="which tests; without any, tests/unit and tests/embedded"
    )
    options = parser.parse_args(arguments)
    pythons = list(filter(interpreter, options.python))[-1:] if options.newest else options.python
    djangos = options.django[-1:] if options.newest else options.django
    tests = () if options.set_up else of_django() if options.of_django else options.tests
    results: dict[Pair, str] = {}
    for python in pythons:
        for django in djangos:
            pair = Pair(python=python, django=django)
            results[pair] = _result(pair, tests, options.workers)
    print("\n".join(["", *table(results, pythons, djangos)]))
    ran = [result for result in results.values() if result not in NOT_RUN]
    return 0 if ran and all(map(is_good, ran)) else 1


def table(results: dict[Pair, str], pythons: Sequence[str], djangos: Sequence[str]) -> list[str]:
    """One line for each Python, one column for each Django."""
    heading = ["", *(f"Django {django}" for django in djangos)]
    lines = [
        [f"Python {python}", *(results[Pair(python=python, django=django)] for django in djangos)] for python in pythons
    ]
    return aligned([heading, *lines])


def is_good(result: str) -> bool:
    """Whether something was done and nothing failed."""
    return result == SET_UP or ("passed" in result and "failed" not in result)


def summary(output: str) -> str:
    """pytest's closing line without its times, errors among the failures: "2 failed, 3210 passed"."""
    closing = [line for line in output.splitlines() if CLOSING.search(line)][-1:]
    counts = {"failed": 0, "passed": 0, "skipped": 0}
    for number, name in COUNTS.findall("".join(closing)):
        counts["failed" if name.startswith("error") else name] += int(number)
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "failed before any test"


def of_django() -> list[str]:
    """The files of tests that touch Django's own API."""
    found = (sorted(PROJECT.glob(f"tests/unit/test_{pattern}.py")) for pattern in OF_DJANGO)
    return [str(path.relative_to(PROJECT)) for path in chain.from_iterable(found)]


def failures(output: str) -> list[str]:
    """pytest's lines of what failed, and of what passed only when it was run once more."""
    return [line for line in output.splitlines() if FAILURE.match(line)]


def requirements_for(django: str, pinned: str) -> Iterator[str]:
    """The lines of requirements.txt with another Django."""
    for line in pinned.splitlines():
        yield f"Django~={django}.0" if line.startswith("Django==") else line


def interpreter(python: str) -> str | None:
    """The path of one of this version."""
    on_path = shutil.which(f"python{python}")
    if on_path is not None and _is_version(on_path, python):
        return on_path
    of_pyenv = Path.home().glob(f".pyenv/versions/{python}.*/bin/python")
    of_debian = FOLDER.glob(f"debian-*/usr/bin/python{python}")
    found = map(str, [*sorted(of_pyenv, reverse=True), *of_debian])
    return next((path for path in found if _is_version(path, python)), None)


def _is_version(path: str, python: str) -> bool:
    # pyenv's shims are there whether or not one may use what they stand for, and a later Debian may be half unpacked.
    code = f"import sys; sys.exit('%d.%d' % sys.version_info[:2] != '{python}')"
    return subprocess.run([path, "-c", code], capture_output=True, check=False).returncode == 0


def _result(pair: Pair, tests: Sequence[str], workers: str) -> str:
    if not pair.fits:
        print(f"{pair}: NOT RUN, it needs Python {OLDEST_PYTHON[pair.django]}", flush=True)
        return NOT_FOR_IT
    path = interpreter(pair.python)
    if path is None:
        print(f"{pair}: NOT RUN, no python{pair.python} on the PATH", flush=True)
        return NOT_FOUND
    folder = FOLDER / f"{pair.python}-{pair.django}"
    print(f"{pair}: setting up…", flush=True)
    if not _set_up(folder, path, pair.django):
        return "failed to install"
    if not tests:
        return SET_UP
    print(f"{pair}: testing…", flush=True)
    began = time.monotonic()
    result, log = _run(folder, tests, workers)
    print(f"{pair}: {result} in {time.monotonic() - began:.0f} s ({log})", flush=True)
    print(*failures(log.read_text()), sep="\n", flush=True)
    return result


def _set_up(folder: Path, python: str, django: str) -> bool:
    pinned = (PROJECT / "requirements.txt").read_text()
    wanted = "\n".join(requirements_for(django, pinned))
    ready = folder / "installed.txt"
    if ready.exists() and ready.read_text() == wanted:
        return True
    folder.mkdir(parents=True, exist_ok=True)
    requirements = folder / "requirements.txt"
    requirements.write_text(wanted)
    for command in (
        [python, "-m", "venv", "--clear", str(folder / "venv")],
        [*_pip(folder), "--requirement", str(requirements), "--editable", str(PROJECT)],
    ):
        if subprocess.run(command, check=False).returncode:
            return False
    ready.write_text(wanted)
    return True


def _run(folder: Path, tests: Sequence[str], workers: str) -> tuple[str, Path]:
    log = folder / "tests.log"
    command = [_python(folder), "-m", "pytest", *tests, "-q", "-m", "not faults", "-p", "no:cacheprovider"]
    # What fails is run once more, and named: a machine that is shared may freeze longer than a deadline allows.
    command += ["--reruns", "1", "-rfER", "-n", workers, "--dist", "loadfile"]
    with log.open("w") as output:
        done = subprocess.run(command, cwd=PROJECT, stdout=output, stderr=output, check=False)
    result = summary(log.read_text())
    # Something that ends pytest may come after its tests.
    return (result if not done.returncode or "failed" in result else f"failed ({done.returncode})"), log


def _pip(folder: Path) -> list[str]:
    return [_python(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _python(folder: Path) -> str:
    return str(folder / "venv" / "bin" / "python")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


if __name__ == "__main__":
    sys.exit(main())
