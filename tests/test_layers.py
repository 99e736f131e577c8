"""The house stands: floors, no cycles, the client behind its door, and the exported names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import kafka_integration

PACKAGE = Path(kafka_integration.__file__).parent
ROOT = PACKAGE.name

# The rooms of each house (the package itself, and those of its rooms that are houses too) on their floors, the lowest
# first.
FLOORS = {
    "": [
        {"errors", "headers", "local_times", "models", "retrying", "signals", "summaries", "tables", "topic_names"}
        | {
            "cells",
            "cloudevents",
            "codecs",
            "conf",
            "durations",
            "message",
            "messages",
            "outcomes",
            "placed_message",
            "unavailability",
            "exception_chains",
            "observing",
            "serialization",
            "sizes",
            "tracing",
        },
        {"client"},
        {"producing", "sinks"},
        {"outbox"},
        {"dead_letters"},
        {"consuming"},
        {"operating"},
        {"admin", "apps", "checks", "health", "templatetags"},
        {"management"},
    ],
    "client": [
        {"committed", "errors", "green_threads", "naming_brokers", "transports"},
        {"fetched", "log", "opening"},
        {"properties"},
        {"reader"},
        {"bounded_reader", "metadata", "topic_reader"},
        {"consumer", "producers"},
    ],
    "outbox": [
        {"column_values", "databases", "notify", "sql", "statements"},
        {"declarations", "table"},
        {"backlog", "foreign_rows", "fresh_rows", "lease", "topics"},
        {"forwarder", "publish", "unattended"},
        {"decorator", "operations", "relay"},
    ],
    "dead_letters": [
        {"heartbeat", "retention", "source_lines", "standings"},
        {"locations", "texts"},
        {"redaction"},
        {"copies", "kinds", "operations", "outcomes", "replay_requests"},
        {"names", "parking", "under_way"},
        {"paced_replay"},
        {"awaited"},
    ],
    "consuming": [
        {"offsets"},
        {"ordering"},
        {"partition"},
        {"failing", "fetching", "lanes"},
        {"committing"},
        {"catching_up", "group", "handling"},
        {"coroutines", "replaying"},
        {"assembly"},
        {"loop"},
    ],
}
# A house of more is one in which nobody finds anything: what belongs together moves into a room.
MOST_ROOMS = {"consuming": 15}
# Imported by nobody, free to import everything.
OUTSIDE = {"testing"}
MAY_USE_THE_CLIENT = ("client", "operating.topics", "testing")
NEEDED = {*sys.stdlib_module_names, "django", "asgiref", "confluent_kafka", ROOT}
EXTRAS_ALLOWED = {"testing.plugin": {"pytest"}, "health": {"health_check"}}

EXPORTED = {
    *("Message", "Messages", "Retry", "Skip", "Reject", "BatchError", "CommitThrough", "NO_COMMIT"),
    *(
        "produce",
        "produce_sync",
        "produce_batch",
        "aproduce",
        "publish",
        "publish_batch",
        "publishes",
        "publish_instances",
        "PublishAdminMixin",
    ),
    *("KafkaIntegrationError", "ConfigurationError", "HandlerError", "DecodeError"),
    *("ProduceError", "InvalidMessageError", "ProduceTimeoutError", "BatchProduceError"),
    *("BrokerError", "BrokerUnavailableError", "AccessDeniedError"),
}


@dataclass(frozen=True)
class Import:
    source: str  # a module of ours, dotted, without the package's name
    target: str  # the same, or another distribution's module, whole
    ours: bool
    line: int
    at_runtime: bool  # not under `if TYPE_CHECKING`
    at_top: bool  # not inside a function

    def __str__(self) -> str:
        target = f"{ROOT}.{self.target}".rstrip(".") if self.ours else self.target
        return f"{ROOT}.{self.source}:{self.line} imports {target}"


@pytest.mark.parametrize("house", FLOORS)
def test_every_room_has_its_floor(house):
    rooms = {room_of(module, house) for module in modules() if is_in(module, house)}

    assert rooms == set().union(*FLOORS[house]) | (OUTSIDE if house == "" else set())


@pytest.mark.parametrize(("house", "most"), MOST_ROOMS.items())
def test_a_house_shows_so_few_rooms_that_one_sees_them_all(house, most):
    rooms = {room_of(module, house) for module in modules() if is_in(module, house)}

    assert len(rooms) <= most, sorted(rooms)


@pytest.mark.parametrize("house", FLOORS)
def test_imports_go_down_or_stay_on_their_floor(house):
    upward = [each for each in imports() if each.ours and goes_up(each, house)]

    assert not upward, report(upward)


def test_there_are_no_import_cycles():
    refuse_circles((each.source, each.target) for each in imports() if each.ours and each.at_runtime)


def test_no_rooms_of_a_house_import_each_other_in_a_circle():
    for house in {"", *(name.rpartition(".")[0] for name in modules())}:
        refuse_circles(
            (room_of(each.source, house), room_of(each.target, house))
            for each in imports()
            if each.ours and is_in(each.source, house) and is_in(each.target, house)
        )


def test_the_kafka_client_is_imported_only_where_it_is_hidden():
    elsewhere = [
        each for each in imports() if each.target.split(".")[0] == "confluent_kafka" and not may_use_client(each.source)
    ]

    assert not elsewhere, report(elsewhere)


def test_loading_the_package_needs_nothing_optional():
    optional = [
        each
        for each in imports()
        if each.at_runtime and each.at_top and top_of(each) not in NEEDED | EXTRAS_ALLOWED.get(each.source, set())
    ]

    assert not optional, report(optional)


def test_the_exported_names_are_these():
    assert set(kafka_integration.__all__) == EXPORTED
    assert {name for name in dir(kafka_integration) if not name.startswith("_")} >= EXPORTED


@pytest.mark.parametrize("name", sorted(EXPORTED))
def test_each_exported_name_can_be_imported(name):
    assert getattr(kafka_integration, name) is not None


@pytest.mark.parametrize("folder", ["activitylog", "benchmarks", "docs", "tests"])
def test_programs_and_pages_import_modules_that_there_are(folder):
    """Also those that only a string has: a program that a test runs, or an example of the documentation."""
    imported = re.compile(rf"^\s*(?:from|import) {ROOT}\.([a-z_.]+)", re.MULTILINE)
    found = {
        (str(path), name)
        for path in (PACKAGE.parent / folder).rglob("*.*")
        if path.suffix in (".py", ".md")
        for name in imported.findall(path.read_text())
    }

    # What migrations share has no floor, and is there.
    there = {*modules(), *(f"migrations.{path.stem}" for path in (PACKAGE / "migrations").glob("_*.py"))}

    assert [each for each in found if each[1] not in there] == []


def test_importing_the_package_loads_neither_models_nor_the_client():
    program = (
        f"import sys, {ROOT}; loaded = [name for name in sys.modules if name.startswith("
        f"('confluent_kafka', 'django.db', '{ROOT}.models'))]; sys.exit(str(loaded) if loaded else 0)"
    )

    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=PACKAGE.parent
    )

    assert run.returncode == 0, run.stderr


def refuse_circles(arrows: Iterable[tuple[str, str]]) -> None:
    graph: dict[str, set[str]] = {}
    for source, target in arrows:
        if source != target:
            graph.setdefault(source, set()).add(target)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' <- '.join(error.args[1])}")


def goes_up(each: Import, house: str) -> bool:
    if not (is_in(each.source, house) and is_in(each.target, house)):
        return False
    source, target = room_of(each.source, house), room_of(each.target, house)
    return source not in OUTSIDE and (target in OUTSIDE or floor_of(target, house) > floor_of(source, house))


def floor_of(room: str, house: str) -> int:
    return next((floor for floor, rooms in enumerate(FLOORS[house]) if room in rooms), len(FLOORS[house]))


def is_in(module: str, house: str) -> bool:
    return module.startswith(f"{house}.") if house else bool(module)


def room_of(module: str, house: str) -> str:
    return module.removeprefix(f"{house}.").split(".")[0]


def top_of(each: Import) -> str:
    return ROOT if each.ours else each.target.split(".")[0]


def may_use_client(module: str) -> bool:
    return any(module == allowed or module.startswith(f"{allowed}.") for allowed in MAY_USE_THE_CLIENT)


def report(found: list[Import]) -> str:
    return "\n".join(dict.fromkeys(map(str, found)))


@cache
def modules() -> dict[str, Path]:
    """Every module below the package but its own `__init__`, whose lazy names belong to no floor, and migrations."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if name and parts[0] != "migrations":
            found[name] = path
    return found


@cache
def imports() -> list[Import]:
    return [each for module, path in modules().items() for each in imports_of(module, path)]


def imports_of(module: str, path: Path) -> Iterator[Import]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node, at_runtime, at_top in import_nodes(ast.parse(path.read_text()), at_runtime=True, at_top=True):
        for target, ours in targets_of(node, package):
            yield Import(module, target, ours, node.lineno, at_runtime, at_top)


def import_nodes(
    tree: ast.AST, at_runtime: bool, at_top: bool
) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool, bool]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node, at_runtime, at_top
        inside_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        yield from import_nodes(node, at_runtime and not for_types, at_top and not inside_function)


def targets_of(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, bool]]:
    """Absolute names of what is imported: ours without the package's own name."""
    if isinstance(node, ast.Import):
        yield from (place(alias.name) for alias in node.names)
        return
    if not node.level:
        origin, ours = place(node.module or "")
    else:
        above = package.split(".") if package else []
        origin = ".".join([*above[: len(above) - node.level + 1], *([node.module] if node.module else [])])
        ours = True
    for alias in node.names:
        inner = f"{origin}.{alias.name}".strip(".")
        yield (inner if ours and inner in modules() else origin), ours


def place(name: str) -> tuple[str, bool]:
    ours = name == ROOT or name.startswith(f"{ROOT}.")
    return (name.removeprefix(ROOT).removeprefix("."), True) if ours else (name, False)
