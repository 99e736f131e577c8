"""What is published is the same under psycopg2, which Django takes where psycopg isn't installed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.services.postgres import PostgresServer


@pytest.mark.faults
@pytest.mark.timeout(240)
def test_every_event_says_what_the_database_has_under_psycopg2_too(postgres: PostgresServer) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["DATABASE_URL"] = postgres.create_database("under_psycopg2")
    modules = [f"tests/unit/test_publish_{name}.py" for name in ("batch", "columns", "rows")]

    command = [sys.executable, "-m", "tests.without_psycopg", "pytest", *modules, "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=220)

    assert "the driver is psycopg2" in done.stdout
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
