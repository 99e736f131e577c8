"""One database's turn, in a process of its own: fills it, visits all pages in rounds, writes down what that took."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import TYPE_CHECKING, Any

import django

if TYPE_CHECKING:
    from .visits import Visit


def main(rows: int, rounds: int, output: Path) -> None:
    django.setup()
    from django.core.management import call_command

    from .filling import fill
    from .visits import all_visits

    call_command("migrate", verbosity=0)
    _say(f"filling {rows:,} rows …")
    began = perf_counter()
    fill(rows)
    _say(f"filled in {perf_counter() - began:.0f} s")
    visitor = Visitor()
    visits, taken = all_visits(), {}
    for number in range(rounds + 1):
        for visit in visits:
            seconds, cpu_seconds, queries = visitor.visit(visit)
            # The first time templates are read, and caches filled.
            if number:
                found = taken.setdefault(visit.name, {"seconds": [], "cpu_seconds": [], "queries": 0})
                found["seconds"].append(seconds)
                found["cpu_seconds"].append(cpu_seconds)
                found["queries"] = max(found["queries"], queries)
        _say(f"round {number} of {rounds}")
    output.write_text(json.dumps(taken))


class Visitor:
    """Somebody who may do everything that these pages offer, and is no superuser: for those nobody asks a database."""

    def __init__(self) -> None:
        from django.contrib.auth.models import Permission, User
        from django.test import Client

        user = User.objects.create_user("operator", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(content_type__app_label="kafka_integration"))
        self._client = Client()
        self._client.force_login(user)

    def visit(self, visit: Visit) -> tuple[float, float, int]:
        """How many seconds, those of the processor, and how many queries."""
        ask, asked, expected = self._client.get, visit.asked, 200
        if visit.pressed is not None:
            ask, asked, expected = self._client.post, visit.pressed(), 302
        url = visit.url
        with _counting() as count:
            began, cpu_began = perf_counter(), process_time()
            response = ask(url, asked)
            seconds, cpu_seconds = perf_counter() - began, process_time() - cpu_began
        assert response.status_code == expected, f"{url} {asked}: {response.status_code}"
        assert "obstacle" not in (response.context or {}), f"{url} {asked}: {response.context['obstacle']}"
        return seconds, cpu_seconds, count()


@contextmanager
def _counting() -> Any:
    from django.db import connection

    queries: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        queries.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield lambda: len(queries)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
