"""The demo, once for all tests of the browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.running_demo import RunningDemo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    demo = RunningDemo(tmp_path_factory.mktemp("demo"))
    yield demo
    demo.close()
