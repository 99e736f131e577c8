"""Runs one of Django's commands as a part of the demo: ``python -m activitylog.demo.child runrelay``.

A part ends with the demo, however that ends. Its standard input is a pipe that the demo holds and never writes
to, so that the end of the pipe is the end of the demo. A command without a handler for SIGTERM, such as runserver, is
left to the signal: an exception raised in a handler may be lost in whatever was running, and with it the wish to stop.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

LAST_SECONDS = 30
FORCED = 3


def main() -> None:
    threading.Thread(target=follow_parent, name="follow-parent", daemon=True).start()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "activitylog.settings")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["manage.py", *sys.argv[1:]])


def follow_parent() -> None:
    # Signals are for the main thread: runbroker waits for them there with all other threads blocked.
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    # Its broker is ending at the same moment: whoever waits for it too long is not waited for.
    time.sleep(LAST_SECONDS)
    os._exit(FORCED)


if __name__ == "__main__":
    main()
