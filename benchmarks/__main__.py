"""`make bench`: this framework beside the raw client and its peers, on real servers, in one run.

What carries over to another machine are the ratios, not the rates.
"""

from __future__ import annotations

import argparse
import sys

from tests.services.postgres import missing_for_postgres

from .catalogue import Row
from .environments import HOME
from .figures import UnequalWorkError
from .growth import SERIES, growth_rows
from .page.page import write_page
from .page.table import terminal_table
from .progress import Progress
from .results import Results, describe_run
from .rows import ROWS
from .running import Runner
from .servers import running_servers

MOST_MESSAGES = 1_000_000
GROWTH = [series.name for series in SERIES]
RESULTS = HOME / "results.json"


def main() -> int:
    arguments = _arguments()
    rows = _rows(arguments)
    contenders = [contender for row in rows for contender in row.contenders]
    progress = Progress(len(contenders) * arguments.runs)
    needs_database = any(each.needs_database for each in contenders)
    missing = missing_for_postgres() if needs_database else None
    with running_servers(with_database=needs_database and not missing) as servers:
        description = describe_run(sys.argv[1:], arguments.runs, servers.versions)
        runner = Runner(servers, runs=arguments.runs, at_most=arguments.messages, progress=progress)
        results, outcome = Results(description=description, outcome=runner.outcome), runner.outcome
        runner.prepare(rows)
        try:
            for row in rows:
                runner.run(row)
                results.save(RESULTS)
        except UnequalWorkError as error:
            sys.exit(f"The run is void: {error}")
        except KeyboardInterrupt:
            print("Stopped: what follows is what was measured until now.", file=sys.stderr)
    for row in rows:
        print(terminal_table(row, outcome.runs.get(row.name, {})))
    if arguments.page:
        write_page(results)
    for name, reason in outcome.left_out.items():
        print(f"NOT MEASURED: {name}: {reason}", file=sys.stderr)
    return 1 if outcome.left_out else 0


def _rows(arguments: argparse.Namespace) -> list[Row]:
    if arguments.growth is not None:
        return growth_rows(arguments.growth or GROWTH, arguments.messages)
    return [row for row in ROWS if not arguments.only or row.name in arguments.only]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="ROW", choices=[row.name for row in ROWS],
                        help=f"rows: {', '.join(row.name for row in ROWS)} (default: all)")  # fmt: skip
    parser.add_argument("--messages", type=int, default=MOST_MESSAGES, metavar="N",
                        help="at most so many a contender; slow ones have fewer (default: %(default)s)")  # fmt: skip
    parser.add_argument("--runs", type=int, default=3, metavar="R", help="of each contender (default: %(default)s)")
    parser.add_argument("--growth", nargs="*", metavar="SERIES", choices=GROWTH,
                        help=f"how it grows, instead of the rows: {', '.join(GROWTH)} (default: all); "
                        "--messages 10000000: up to that backlog")  # fmt: skip
    parser.add_argument("--page", action="store_true", help="write docs/benchmarks.md from what was measured")
    arguments = parser.parse_args()
    if arguments.page and arguments.only:
        parser.error("a page has all rows: leave out --only, or --page")
    return arguments


if __name__ == "__main__":
    sys.exit(main())
