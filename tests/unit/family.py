"""A family of processes as `--processes` makes it, for tests: `python -m tests.unit.family WORK [GRACE_SECONDS]`.

Each work says "up" and what became of it.
"""

from __future__ import annotations

import atexit
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time

import django

LOOK_SECONDS = 0.05


def waits(number, stop):
    say("up", number)
    while not stop.wait(LOOK_SECONDS):
        pass
    say("stopped", number)
    return 0


def drains(number, stop):
    """Takes a second for its last message."""
    waits(number, stop)
    time.sleep(1)
    say("drained", number)
    return 0


def the_second_fails(number, stop):
    if number == 1:
        return 1
    return waits(number, stop)


def the_second_raises(number, stop):
    if number == 1:
        raise ValueError("what went wrong")
    return waits(number, stop)


def is_done(number, stop):
    say("up", number)
    return 0


def the_second_gives_up(number, stop):
    """It has waited in vain for what the first one does."""
    say("up", number)
    if number == 1:
        return 4
    time.sleep(0.5)
    say("done", number)
    return 0


def all_give_up(number, stop):
    return 4


def hangs(number, stop):
    say("up", number)
    time.sleep(600)


def the_second_vanishes_once(number, stop):
    if number == 1:
        try:
            os.close(os.open(sys.argv[3], os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            pass
        else:
            os._exit(0)
    return waits(number, stop)


def vanishes_when_asked(number, stop):
    say("up", number)
    while not stop.wait(LOOK_SECONDS):
        pass
    os._exit(0)


def forks_a_pool(number, stop):
    """In a thread, as a handler would, and again once the first pool has ended."""

    def pool():
        for _ in range(2):
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(abs, range(4))
        say("pooled", number)

    threading.Thread(target=pool).start()
    return waits(number, stop)


def forks_a_child(number, stop):
    """One that was never told of our signals."""
    child = os.fork()
    if child == 0:
        signal.pause()
    os.kill(child, signal.SIGTERM)
    say(f"killed_by_{-os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}", number)
    return waits(number, stop)


def overruns(number, stop):
    waits(number, stop)
    return 3


def ends_with_a_bow(number, stop):
    atexit.register(say, "bowed", number)
    return waits(number, stop)


def say(word, number):
    # In one piece: unbuffered, print() writes its arguments one by one, and the workers share a file.
    os.write(1, f"{word} {number} {os.getpid()}\n".encode())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    django.setup()

    from kafka_integration.operating import processes

    processes.OVERTIME_SECONDS = 0.5
    family = processes.Processes(2, globals()[sys.argv[1]], grace_seconds=float((sys.argv[2:] or ["5"])[0]))
    sys.exit(family.run())
