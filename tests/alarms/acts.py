"""What happens to a consumer in the mixed hour: some of it is no alarm's business, a hang is."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from time import monotonic

from django.core.management import CommandError, call_command
from django.db import DatabaseError, connections

from kafka_integration.conf import get_settings
from kafka_integration.operating.presence.listing import list_processes
from tests.alarms.cast import ATTEMPTS, FAILING_SECONDS, PARTITIONS, topic_of
from tests.alarms.judging import CHANNELS, ENDED_SECONDS, NAMED_SECONDS, named_seconds
from tests.alarms.sending import Sender
from tests.alarms.truth import Deed, Place, Truth
from tests.alarms.watching import Watch
from tests.faults.watching import elapse
from tests.waiting import wait_for


class Stage:
    """What acts are played on."""

    def __init__(self, truth: Truth, sender: Sender, watch: Watch, folder: Path, tell: Callable[[str], None]) -> None:
        self.truth = truth
        self.sender = sender
        self.watch = watch
        self.folder = folder
        self.tell = tell
        self.over = threading.Event()
        self.servers = threading.Lock()
        """Whoever has it is alone with servers and processes: a hang is timed by nothing else."""


class Acts:
    """One consumer's, one after another in a thread of its own."""

    def __init__(self, stage: Stage, consumer: str, names: tuple[str, ...], chance: random.Random) -> None:
        self._stage = stage
        self._consumer = consumer
        self._topic = topic_of(consumer)
        self._names = names
        self._chance = chance

    def play(self) -> None:
        """Each act once, in the order of their names, and then in any order, until it is over."""
        names = list(self._names)
        while not self._stage.over.is_set():
            for name in names:
                if self._stage.over.wait(self._chance.uniform(3, 15)):
                    return
                getattr(self, name)()
            self._chance.shuffle(names)

    def hang(self) -> None:
        """A handler that doesn't come back until somebody frees it, after it was named, or too late."""
        with self._stage.servers:
            if self._stage.over.is_set():
                return
            gate, place = self._stage.folder / uuid.uuid4().hex, self._place()
            sent = self._stage.sender.send_now(place, "hang", until=str(gate))
            wait_for(gate.with_suffix(".begun").exists, 60, f"{place}@{sent.offset} is begun")
            facts = {"consumer": self._consumer, "place": place, "offset": sent.offset}
            with self._stage.truth.doing("hang", **facts) as deed:
                self._tell(f"hangs at {place[0]}[{place[1]}]@{sent.offset}")
                heard = len(self._stage.watch.sayings)
                self._wait(NAMED_SECONDS + 5, lambda: self._is_named(deed, heard))
                self._wait(self._chance.uniform(0, 20))
                gate.touch()
            self._tell(f"is free again after {deed.ended_at - deed.began_at:.0f} s")
            self._wait(ENDED_SECONDS + 5)

    def be_slow(self) -> None:
        """One message takes 25 seconds: everybody may."""
        self._take(self._chance.uniform(15, 25))

    def be_very_slow(self) -> None:
        """One takes up to 45, which only the handler may that always takes some; in processes that have seen it."""
        with self._stage.servers:
            if not self._stage.over.is_set():
                self._take(self._chance.uniform(35, 45))

    def fail(self) -> None:
        """A message fails at every attempt but the last."""
        place = self._place()
        with self._stage.truth.doing("failing", consumer=self._consumer, place=place):
            self._tell(f"fails at {place[0]}[{place[1]}]")
            self._stage.sender.send_now(place, "fail", fail=ATTEMPTS - 1)
            self._wait(FAILING_SECONDS)

    def die(self) -> None:
        """A message becomes a dead letter, and an operator has it replayed."""
        place = self._place()
        with self._stage.truth.doing("failing", consumer=self._consumer, place=place):
            self._tell(f"has a dead letter of {place[0]}[{place[1]}]")
            self._stage.sender.send_now(place, "die", fail=ATTEMPTS)
            self._wait(FAILING_SECONDS)
            self._command("kafkadeadletters", "replay", "--all")

    def pause(self) -> None:
        """An operator pauses it, or a partition of it, and resumes it."""
        place = self._chance.choice([None, self._place()])
        scope = [] if place is None else ["--topic", f"{place[0]}:{place[1]}"]
        with self._stage.truth.doing("pause", consumer=self._consumer, place=place):
            self._tell(f"is paused {' '.join(scope)}")
            self._command("kafkaprocesses", "pause", self._consumer, *scope)
            self._wait(self._chance.uniform(35, 60))
            # Until it is taken up, whatever is away meanwhile: what stays paused is no mystery.
            while not self._command("kafkaprocesses", "resume", self._consumer, *scope):
                self._wait(2)

    def trace(self) -> None:
        """Somebody looks what the threads of a process do."""
        try:
            processes = [each for each in list_processes(get_settings().operations) if not each.is_lost]
        except DatabaseError:
            return
        # For a moment after the database was away none is known to run.
        if processes:
            self._command("kafkaprocesses", "trace", str(self._chance.choice(processes).id))

    def burst(self) -> None:
        """Much at once, more than is handled in a moment."""
        with self._stage.truth.doing("burst", consumer=self._consumer):
            self._tell("gets a burst")
            for number in range(3000):
                self._stage.sender.send((self._topic, number % PARTITIONS), f"key-{number % 50}")
            self._wait(20)

    def _take(self, seconds: float) -> None:
        place = self._place()
        with self._stage.truth.doing("slow", consumer=self._consumer, place=place):
            self._tell(f"takes {seconds:.0f} s at {place[0]}[{place[1]}]")
            self._stage.sender.send_now(place, "slow", seconds=seconds)
            self._wait(seconds + 10)

    def _is_named(self, hang: Deed, heard: int) -> bool:
        return len(named_seconds(hang, self._stage.watch.sayings[heard:])) == len(CHANNELS)

    def _place(self) -> Place:
        return self._topic, self._chance.randrange(PARTITIONS)

    def _command(self, *arguments: str) -> bool:
        try:
            call_command(*arguments, stdout=StringIO(), stderr=StringIO())
        except (CommandError, DatabaseError) as error:
            connections.close_all()
            self._tell(f"{' '.join(arguments)}: {error}")
            return False
        return True

    def _wait(self, seconds: float, is_enough: Callable[[], bool] = lambda: False) -> None:
        # Not cut short where it is over: what was begun is judged as a whole.
        deadline = monotonic() + seconds
        while monotonic() < deadline and not is_enough():
            elapse(0.5)

    def _tell(self, text: str) -> None:
        self._stage.tell(f"{self._consumer} {text}")
