"""pytest fixtures ``kafka_messages`` and ``embedded_kafka``, found by entry point.

Loaded in every pytest run of an environment that has this package: nothing is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .capturing import CapturedMessages
    from .embedding import EmbeddedKafka


@pytest.fixture
def kafka_messages(request: pytest.FixtureRequest) -> Iterator[CapturedMessages]:
    """What the test produced, and what it published and did not roll back, by topic. No broker is needed."""
    # The test's database first, if it has one: what was published is read while its transaction is open.
    for name in ("transactional_db", "db"):
        if name in request.fixturenames:
            request.getfixturevalue(name)
    from .capturing import capturing

    with capturing() as messages:
        yield messages


@pytest.fixture
def embedded_kafka(transactional_db: None) -> Iterator[EmbeddedKafka]:
    """A broker of the test's own, which ``KAFKA["endpoints"]`` points at. The database is transactional."""
    from .embedding import embedded_kafka

    with embedded_kafka() as kafka:
        yield kafka
