"""The guides as programs: the files that they show are written, the commands run, and the answers expected.

In a block of ``console`` a line after ``$`` is typed, one after ``>>>`` goes to what the command opened, and any other
is an answer. A block that types nothing is the answer of something that was started before, and ^C stops the consumer.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.processes import ChildProcess, environment
from tests.waiting import wait_for

BLOCK = re.compile(r"^```(python|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILE = re.compile(r"# (\S+\.py)\n+(.*)", re.DOTALL)
RUNS_ON = re.compile(r"runbroker|runrelay|runconsumer|kafkatail")
INTERRUPT = "^C"
ENDS_BY_ITSELF = re.compile(r"--(once|list|until-caught-up|max-messages)")
# What is another each time.
MASKS = [
    (re.compile(r"(\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d(,\d{3})?"), "(time)"),
    (re.compile(r"127\.0\.0\.1:\d{5}"), "(address)"),
    (re.compile(r"'ts': \d+"), "'ts': (time)"),
    (re.compile(r"after \d+ s\b"), "after (time)"),
    (re.compile(r"(?<=time lag) [\d.]+ s\b| +[\d.]+ s(?=  unowned)"), " (age)"),
]


@dataclass(kw_only=True)
class Typed:
    """A command, what was typed into it, and what it answered."""

    command: str = ""
    lines: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)

    @property
    def is_refused(self) -> bool:
        """Whether an error is what it shows."""
        return "Error" in "".join(self.answer[-1:])


def blocks_of(text: str) -> Iterator[tuple[str, str]]:
    """Language and body of each block."""
    for match in BLOCK.finditer(text):
        yield match[1], match[2]


def files_of(text: str) -> Iterator[tuple[str, str]]:
    """Path and content of each Python block that names its file in its first line."""
    for language, body in blocks_of(text):
        if language == "python" and (match := FILE.match(body)):
            yield match[1], match[2]


def typed_in(body: str) -> list[Typed]:
    """What a block of ``console`` shows."""
    found = [Typed()]
    for line in body.splitlines():
        if line.startswith("$ "):
            found.append(Typed(command=line[2:]))
        elif line == INTERRUPT:
            found.append(Typed(command=line))
        elif line.startswith(">>> "):
            found[-1].lines.append(line[4:])
        elif line.strip():
            found[-1].answer.append(line)
    return found if found[0].answer else found[1:]


def five_minutes(readme: str) -> str:
    """The README's way to a consumer in a project of one's own, with all that follows in that section."""
    return readme.partition("\n## Five minutes")[2].partition("\n## ")[0]


def lines_to_type(text: str) -> list[str]:
    """What somebody types from ``pip install`` on: commands, and the lines of files but for brackets that close."""
    found = []
    for language, body in blocks_of(text):
        if language == "console":
            found += [each.command for each in typed_in(body) if each.command]
        elif match := FILE.match(body):
            found += [line for line in match[2].splitlines() if re.search(r"\w", line)]
    first = next(number for number, line in enumerate(found) if "pip install" in line)
    return found[first:]


class Walk:
    """Someone who does in a folder what a guide says; commands that match ``skip`` were done before."""

    def __init__(self, folder: Path, logs: Path, *, env: Mapping[str, str], python: str, skip: str) -> None:
        self._folder = folder
        self._logs = logs
        path = f"{Path(python).parent}{os.pathsep}{os.environ['PATH']}"
        self._env = environment({**env, "PATH": path})
        self._env.pop("DJANGO_SETTINGS_MODULE", None)
        self._skip = re.compile(skip)
        self._running: list[ChildProcess] = []

    def follow(self, text: str, *, writes_files: bool) -> None:
        """Do all of it, in its order; AssertionError where it goes otherwise than it says."""
        for language, body in blocks_of(text):
            if language == "python" and writes_files and (match := FILE.match(body)):
                self._write(self._folder / match[1], match[2])
            elif language == "console":
                for each in typed_in(body):
                    self._type(each)

    def stop(self) -> None:
        """Stop what runs, the last first: each has to end well, but for what only shows things."""
        while self._running:
            process = self._running.pop()
            assert process.terminate() in (0, -signal.SIGTERM), process.tail()

    def close(self) -> None:
        for process in reversed(self._running):
            process.close()

    def _write(self, path: Path, content: str) -> None:
        # Settings are added to those that are there, as the guide says.
        before = path.read_text() if path.name == "settings.py" else ""
        path.write_text(f"{before}\n{content}" if before else content)

    def _type(self, typed: Typed) -> None:
        if not typed.command:
            self._expect(typed.answer, self._running)
        elif typed.command == INTERRUPT:
            self._interrupt(typed.answer)
        elif self._skip.search(typed.command):
            return
        elif RUNS_ON.search(typed.command) and not ENDS_BY_ITSELF.search(typed.command) and not typed.is_refused:
            self._start(typed)
        else:
            self._run(typed)

    def _start(self, typed: Typed) -> None:
        log = self._logs / f"{len(self._running)}.log"
        command = ["sh", "-c", f"exec env {typed.command}"]
        self._running.append(ChildProcess(command, log=log, env=self._env, cwd=self._folder))
        self._expect(typed.answer, self._running[-1:])

    def _interrupt(self, answer: list[str]) -> None:
        consumer = next(process for process in self._running if "runconsumer" in process.command[-1])
        # Not SIGINT, which whoever started the tests may have had ignored.
        assert consumer.terminate() == 0, consumer.tail()
        self._expect(answer, [consumer])
        self._running.remove(consumer)

    def _run(self, typed: Typed) -> None:
        done = subprocess.run(
            typed.command,
            shell=True,
            cwd=self._folder,
            env=self._env,
            input="\n".join([*typed.lines, ""]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        missing = [line for line in typed.answer if masked(line) not in masked(done.stdout)]
        assert not missing, f"{typed.command} did not answer {missing}, but:\n{done.stdout}"
        assert bool(done.returncode) is typed.is_refused, f"{typed.command}: {done.returncode}\n{done.stdout}"

    def _expect(self, answer: list[str], processes: list[ChildProcess]) -> None:
        for line in answer:
            wait_for(
                lambda line=line: any(masked(line) in masked(process.output()) for process in processes),
                timeout=30,
                message=lambda line=line: f"{line!r} in\n" + "\n".join(process.tail() for process in processes),
            )


def masked(text: str) -> str:
    """The text without what is another each time."""
    for pattern, word in MASKS:
        text = pattern.sub(word, text)
    return text
