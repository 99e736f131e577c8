"""The tree of errors that is drawn at the top of `errors.py` is the tree that there is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module

from kafka_integration import errors
from kafka_integration.errors import KafkaIntegrationError
from tests.test_layers import modules

DRAWN = re.compile(r"^((?:[│ ]   )*)(?:├── |└── )(\w+)(?:  +\S|$)", re.MULTILINE)
ELSEWHERE = {"BatchError": "outcomes"}


def test_each_error_stands_where_the_tree_says():
    for parent, name in drawn():
        home = import_module(f"kafka_integration.{ELSEWHERE.get(name, 'errors')}")
        assert getattr(errors, parent) in getattr(home, name).__mro__[1:], name


def test_each_error_of_the_package_is_in_the_tree():
    for module in modules():
        if not module.startswith("testing"):
            import_module(f"kafka_integration.{module}")

    ours = {
        each.__name__ for each in descendants(KafkaIntegrationError) if each.__module__.startswith(errors.__package__)
    }
    assert ours == {name for _, name in drawn()}


def drawn() -> list[tuple[str, str]]:
    """Each name of the tree, with the one that it hangs from."""
    above = [KafkaIntegrationError.__name__]
    pairs = []
    for indent, name in DRAWN.findall(errors.__doc__ or ""):
        depth = len(indent) // 4 + 1
        above[depth:] = [name]
        pairs.append((above[depth - 1], name))
    return pairs


def descendants(error: type[Exception]) -> Iterator[type[Exception]]:
    for child in error.__subclasses__():
        yield child
        yield from descendants(child)
