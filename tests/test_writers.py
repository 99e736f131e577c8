"""Each attribute has one writer: the object that it belongs to, and what a lane shares is written under its lock."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.test_layers import modules

THEIRS = {
    # Exceptions that are returned, not raised from others.
    *("failure.__cause__", "error.__cause__"),
    # Django's, asgiref's and the standard library's, which have no other way.
    *(
        "request.current_app",
        "response.content",
        "response.context_data",
        "named.attname",
        "model.save_base",
        "connections[self._database].rollback_exc",
    ),
    *("SyncToAsync.threadlocal.main_event_loop", "SyncToAsync.threadlocal.main_event_loop_pid"),
    *("server.shutdown", "logging.getLogger(name).disabled"),
    # Django's blocks and connections, where a test stands in for the crash of a process.
    *("block._from_testcase", "block.savepoint", "self.connection.needs_rollback"),
    # One value for each thread.
    *("self._local.is_calling", "_masks.before_fork"),
    # confluent_kafka's, whose constructors take nothing.
    *("metadata.topic", "metadata.error", "partition.id", "partition.leader", "partition.replicas", "partition.isrs"),
}
"""Attributes of objects that are not ours."""

LANE, LOCK = "consuming.lanes.lane", "self._condition"
CREW, TURNS, LOCK_OF_A_CREW = "consuming.lanes.crew", "consuming.lanes.turns", "self._lock"
PARTITION_TURNS = "consuming.coroutines.partition_turns"
COROUTINES = ("consuming.coroutines.pool", "consuming.coroutines.side_tasks")


def test_no_module_assigns_an_attribute_of_anothers_object():
    foreign = [
        f"{module}:{target.lineno} assigns {ast.unparse(target)}"
        for module, path in modules().items()
        for target in assigned(ast.parse(path.read_text()))
        if ast.unparse(target) not in THEIRS
    ]

    assert not foreign, "\n".join(foreign)


def test_a_line_is_written_by_its_lane_alone_and_under_the_lanes_lock():
    writers = writers_of("consuming.ordering.line")
    unlocked = [
        f"{module}:{call.lineno} calls {ast.unparse(call.func)}"
        for module in modules()
        for call, is_locked in calls_of(tree_of(module), "line", writers, LOCK)
        if module not in (TURNS, PARTITION_TURNS) and (module != LANE or not is_locked)
    ]

    assert {"put", "take", "end", "fence", "open", "stop"} <= writers
    assert not unlocked, "\n".join(unlocked)


def test_whose_turn_it_is_is_asked_and_written_under_the_lock_of_a_crew_alone():
    writers = writers_of(TURNS)
    methods = [node for node in ast.walk(tree_of(CREW)) if isinstance(node, ast.FunctionDef)]
    # A method with a leading underscore may rely on its callers, as long as they are methods that lock.
    relied_on = {node.name for node in methods if node.name.startswith("_") and not node.name.startswith("__")}
    unlocked = [
        f"{CREW}:{call.lineno} calls {ast.unparse(call.func)}"
        for method in methods
        for name in ("_turns", "self")
        for call, is_locked in calls_of(method, name, writers if name == "_turns" else relied_on, LOCK_OF_A_CREW)
        if not is_locked and method.name not in relied_on and name_of(call) not in {"_run", "_turn", "_handle"}
    ]

    assert {"put", "take", "give_back", "leave", "halt"} <= writers
    assert not unlocked, "\n".join(unlocked)


def test_whose_turn_it_is_among_partitions_is_asked_and_written_under_the_lock_of_the_coroutines_alone():
    writers = writers_of(PARTITION_TURNS)
    unlocked = [
        f"{module}:{call.lineno} calls {ast.unparse(call.func)}"
        for module in COROUTINES
        for call, is_locked in calls_of(tree_of(module), "_turns", writers, LOCK_OF_A_CREW)
        if not is_locked
    ]

    assert {"put", "take", "give_back", "leave", "hold", "release"} <= writers
    assert not unlocked, "\n".join(unlocked)


def assigned(tree: ast.Module) -> Iterator[ast.Attribute]:
    """The attributes that are assigned or deleted, but for those that the module's own classes declare."""
    stored = [n for n in ast.walk(tree) if isinstance(n, ast.Attribute) and not isinstance(n.ctx, ast.Load)]
    own = {node.attr for node in stored if is_itself(node.value)}
    for owner in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
        own |= {n.target.id for n in owner.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)}
    return (node for node in stored if node.attr not in own)


def calls_of(
    node: ast.AST, owner: str, names: set[str], lock: str, is_locked: bool = False
) -> Iterator[tuple[ast.Call, bool]]:
    """The calls of these methods of an object that goes by the name of ``owner``, and whether they are locked."""
    if isinstance(node, ast.With):
        is_locked = is_locked or any(ast.unparse(item.context_expr) == lock for item in node.items)
    if isinstance(node, ast.Call) and name_of(node) in names and ast.unparse(node.func).split(".")[-2:-1] == [owner]:
        yield node, is_locked
    for child in ast.iter_child_nodes(node):
        yield from calls_of(child, owner, names, lock, is_locked)


def name_of(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def writers_of(module: str) -> set[str]:
    return {node.name for node in ast.walk(tree_of(module)) if is_writer(node)}


def is_writer(node: ast.AST) -> bool:
    """Whether it is a method with a name of its own, and no property: `Line` has no method that only looks."""
    return isinstance(node, ast.FunctionDef) and not node.decorator_list and not node.name.startswith("_")


def is_itself(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")


def tree_of(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text())
