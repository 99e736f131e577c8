"""A real PostgreSQL server on loopback, in a temporary directory.

`python -m tests.services.postgres COMMAND …` runs a command with `DATABASE_URL` naming such a server. It is the newest
that is installed, or the one among the programs in the folder that POSTGRES_PROGRAMS in the environment names. psycopg
is imported where it is used: a run under the other driver (`tests.without_psycopg`) is given its server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import orphans
from tests.processes import ChildProcess, is_running, send_signal
from tests.services.ports import free_port
from tests.waiting import wait_for

_SETTINGS = {
    # A killed server loses nothing that the kernel has; only a power cut would, and there are none here.
    "fsync": "off",
    "full_page_writes": "off",
    "max_connections": "300",
    "shared_buffers": "64MB",
    "max_prepared_transactions": "0",
    "log_min_messages": "warning",
    "autovacuum_naptime": "10s",
}


def missing_for_postgres() -> str | None:
    """What this machine lacks to run PostgreSQL, or None."""
    return None if _programs() else "no PostgreSQL server (Debian: apt-get install postgresql)"


class PostgresServer:
    """Keeps its port and data over restarts, until `stop()`.

    With `primary` it is that server's replica: it follows, asynchronously, until `fall_behind()` or `promote()`. A
    `durable` one writes each commit to the disk, as a server does that is in use.
    """

    def __init__(
        self, port: int | None = None, *, primary: PostgresServer | None = None, durable: bool = False
    ) -> None:
        self.port = port or free_port()
        self._primary = primary
        self._durability = {"fsync": "on", "full_page_writes": "on"} if durable else {}
        self.directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        orphans.adopt("directory", str(self.directory))
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._process: ChildProcess | None = None

    def __enter__(self) -> PostgresServer:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        return self._started().pid

    def start(self, timeout: float = 60.0) -> PostgresServer:
        """Starts it and waits until it answers; after a kill it first recovers."""
        if not (self.directory / "data").exists():
            self._initialise()
        self._launch()
        wait_for(self._answers, timeout, lambda: f"PostgreSQL answers\n{self._started().tail()}")
        return self

    def stop(self) -> None:
        """Ends it and removes its data."""
        if self._process is not None:
            self._process.thaw()
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)
        orphans.release("directory", str(self.directory))

    def shut_down(self, mode: str = "fast") -> None:
        """Ends it, to be started again: "fast" rolls back and says goodbye, "immediate" just ends."""
        self._end({"fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])

    def restart(self, mode: str = "fast") -> None:
        self.shut_down(mode)
        self.start()

    def kill(self) -> None:
        """SIGKILL to the server and to every one of its sessions."""
        process = self._started()
        sessions = process.descendants()
        process.kill()
        for pid in sessions:
            send_signal(pid, signal.SIGKILL)
        # The server won't start again while one of them still has its shared memory.
        wait_for(lambda: not any(map(is_running, sessions)), 30, "the killed server's sessions are gone")

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def fall_behind(self) -> None:
        """A replica first has all that its primary has, and from now on gets nothing more."""
        assert self._primary is not None, "only a replica can fall behind"
        ((position,),) = self._primary.execute("SELECT pg_current_wal_lsn()::text")
        has_it = f"SELECT pg_last_wal_replay_lsn() >= '{position}'::pg_lsn"
        wait_for(lambda: self.execute(has_it) == [(True,)], 20, f"the replica has replayed {position}")
        self.execute("ALTER SYSTEM SET primary_conninfo = ''")
        self.execute("SELECT pg_reload_conf()")
        no_receiver = "SELECT NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
        wait_for(lambda: self.execute(no_receiver) == [(True,)], 20, "the replica receives nothing any more")

    def promote(self) -> None:
        """A replica becomes a server like any other, with what it has."""
        assert self.execute("SELECT pg_promote()") == [(True,)]

    def create_database(self, name: str, template: str = "template1") -> str:
        """The URL of a new database, a copy of `template`; one of that name is dropped first."""
        import psycopg
        from psycopg import sql

        with psycopg.connect(self.url, autocommit=True) as connection:
            names = {"name": sql.Identifier(name), "template": sql.Identifier(template)}
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {name} WITH (FORCE)").format(**names))
            connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {template}").format(**names))
        return self.url_of(name)

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Rows of one statement, outside any transaction: for ALTER SYSTEM, pg_terminate_backend and the like."""
        import psycopg

        with psycopg.connect(self.url_of(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def set_read_only(self, read_only: bool) -> None:
        """Every new transaction is refused its writes, or no longer."""
        import psycopg

        value = "on" if read_only else "off"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = off")
            connection.execute(f"ALTER SYSTEM SET default_transaction_read_only = {value}".encode())
            connection.execute("SELECT pg_reload_conf()")

    def _initialise(self) -> None:
        if self._user:
            shutil.chown(self.directory, self._user, self._user)
        if self._primary is None:
            program = "initdb"
            arguments = ["--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8"]
        else:
            program = "pg_basebackup"
            arguments = [
                "--host=127.0.0.1",
                f"--port={self._primary.port}",
                "--checkpoint=fast",
                "--write-recovery-conf",
            ]
        arguments += [f"--pgdata={self.directory / 'data'}", "--username=postgres", "--no-sync"]
        command = [str(_program(program)), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.directory, user=self._user)
        if done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout}{done.stderr}")

    def _launch(self) -> None:
        settings = {
            **_SETTINGS,
            **self._durability,
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
        }
        options = [text for name, value in settings.items() for text in ("-c", f"{name}={value}")]
        command = [str(_program("postgres")), "-D", str(self.directory / "data"), *options]
        log = self.directory / "server.log"
        self._process = ChildProcess(command, log=log, cwd=self.directory, user=self._user)

    def _answers(self) -> bool:
        import psycopg

        if not self._started().running:
            raise AssertionError(f"PostgreSQL ended while starting:\n{self._started().tail()}")
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, number: signal.Signals) -> None:
        process = self._started()
        if process.running:
            process.signal(number)
            process.wait()
        process.kill()

    def _signal_all(self, number: signal.Signals) -> None:
        process = self._started()
        # The sessions first when it freezes: a frozen server starts none.
        for pid in (process.pid, *process.descendants()):
            send_signal(pid, number)

    def _started(self) -> ChildProcess:
        assert self._process is not None, "the server was never started"
        return self._process


def _programs() -> list[Path]:
    """Each `postgres` of this machine, the newest first; where one is asked for, that one alone."""
    if wanted := os.environ.get("POSTGRES_PROGRAMS"):
        return [program for program in [Path(wanted).absolute() / "postgres"] if program.exists()]
    versions = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    newest_first = sorted(versions, key=lambda path: int(path.parts[4]), reverse=True)
    on_path = shutil.which("postgres")
    return [*newest_first, *([Path(on_path)] if on_path else [])]


def _program(name: str) -> Path:
    return _programs()[0].with_name(name)


def main() -> int:
    """The exit status of the command in `sys.argv`, run with a server of its own, or on SQLite where there is none."""
    if missing := missing_for_postgres():
        print(f"NOT RUN on PostgreSQL but on SQLite: {missing}", file=sys.stderr)
        if os.environ.get("REQUIRE_ALL") == "1":
            return 1
        return subprocess.run(sys.argv[1:], check=False).returncode
    with PostgresServer() as server:
        environment = {**os.environ, "DATABASE_URL": server.create_database("activitylog")}
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
