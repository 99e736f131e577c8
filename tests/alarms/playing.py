"""All that goes on in the mixed hour, side by side until its time is over."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from functools import partial

from kafka_integration.conf import get_settings
from tests.alarms.acts import Acts, Stage
from tests.alarms.blows import Blows
from tests.alarms.cast import ACTS, EVERY_SECONDS, PARTITIONS, SLOW_SECONDS, topic_of
from tests.alarms.company import Company
from tests.alarms.hour import Hour
from tests.alarms.report import report
from tests.alarms.sending import Sender
from tests.alarms.truth import Truth
from tests.alarms.watching import Watch


def play(hour: Hour) -> bool:
    """True if every bound was kept."""
    seed, truth, sender = hour.options.seed, Truth(), Sender(hour.kafka.bootstrap)
    company = Company(hour.start_manage, hour.folder, size=hour.options.workers)
    watch = Watch(get_settings(), company.watched)
    stage = Stage(truth, sender, watch, hour.folder, hour.tell)
    acts = [Acts(stage, name, ACTS[name], random.Random(f"{seed}{name}")) for name in ACTS]
    blows = Blows(stage, company, hour.kafka, hour.postgres, random.Random(seed))
    flows = [partial(_flow, stage, name) for name in EVERY_SECONDS]
    for number in range(PARTITIONS):
        sender.send_now((topic_of("idle"), number), "idle")
    with truth.doing("handover"):
        company.fill()
    # Its handler is always at work for a while, and longer than that after a pause.
    with truth.doing("slow", consumer="slow"), watch.listening():
        _side_by_side([*flows, *(each.play for each in acts), blows.strike], stage.over, hour.options.minutes * 60)
    company.dismiss()
    sender.close()
    return report(seed, truth, watch, sender, hour.database_url, company.ended_by_themselves)


def _flow(stage: Stage, name: str) -> None:
    orders = {"seconds": SLOW_SECONDS} if name == "slow" else {}
    for number in itertools.count():
        if stage.over.wait(EVERY_SECONDS[name] / PARTITIONS):
            return
        stage.sender.send((topic_of(name), number % PARTITIONS), f"key-{number % 20}", **orders)


def _side_by_side(parts: list[Callable[[], None]], over: threading.Event, seconds: float) -> None:
    """Until the time is over or one of them fails."""
    failed: list[BaseException] = []

    def play(part: Callable[[], None]) -> None:
        try:
            part()
        except BaseException as error:
            failed.append(error)
            over.set()
            raise

    threads = [threading.Thread(target=play, args=(part,)) for part in parts]
    for thread in threads:
        thread.start()
    over.wait(seconds)
    over.set()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
