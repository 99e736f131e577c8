"""Runs a module as if psycopg weren't installed, so that Django takes psycopg2: the other driver that it supports.

`DATABASE_URL=… python -m tests.without_psycopg pytest tests/unit/test_x.py`
"""

from __future__ import annotations

import runpy
import sys


def main() -> None:
    """Runs the module that `sys.argv` names, with the rest as its arguments."""
    # Django asks for psycopg first, and goes on to psycopg2 where the import fails.
    sys.modules["psycopg"] = None  # type: ignore[assignment]  # Python's own way to say that it can't be imported
    from django.db.backends.postgresql.psycopg_any import Range

    print(f"the driver is {Range.__module__.partition('.')[0]}", flush=True)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
