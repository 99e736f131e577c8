"""A real pgbouncer on loopback, in transaction mode: each transaction may get another of its few sessions."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from tests import orphans
from tests.processes import ChildProcess
from tests.services.ports import accepts_connections, free_port
from tests.services.presence import missing_command
from tests.waiting import wait_for

_PROGRAM = "pgbouncer"
_SETTINGS = """
[databases]
* = host=127.0.0.1 port={server_port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {sessions}
max_client_conn = 500
server_login_retry = 0.2
; The session that was used longest ago comes next, so that nobody keeps one by luck.
server_round_robin = 1
"""


def missing_for_pgbouncer() -> str | None:
    """What this machine lacks to run pgbouncer, or None."""
    return missing_command(_PROGRAM, "pgbouncer")


class PgBouncer:
    """Stands before the server at `server_port`; whoever connects shares its `sessions` of each database."""

    def __init__(self, server_port: int, *, sessions: int = 5) -> None:
        self.port = free_port()
        self._settings = _SETTINGS.format(server_port=server_port, port=self.port, sessions=sessions)
        self._directory = Path(tempfile.mkdtemp(prefix="pgbouncer-"))
        orphans.adopt("directory", str(self._directory))
        self._process: ChildProcess | None = None

    def __enter__(self) -> PgBouncer:
        file = self._directory / "pgbouncer.ini"
        file.write_text(self._settings)
        # It refuses to run as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user:
            shutil.chown(self._directory, user, user)
        command = [str(shutil.which(_PROGRAM)), str(file)]
        log = self._directory / "pgbouncer.log"
        self._process = process = ChildProcess(command, log=log, cwd=self._directory, user=user)
        wait_for(lambda: accepts_connections(self.port), 20, process.tail)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.kill()
        shutil.rmtree(self._directory, ignore_errors=True)
        orphans.release("directory", str(self._directory))

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"
