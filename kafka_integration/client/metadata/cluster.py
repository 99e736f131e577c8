"""One cluster, asked by one client until the answer is there, or it is clear that none comes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from time import monotonic
from typing import Any, TypeVar

from confluent_kafka import KafkaError, KafkaException

from ...conf.connection import Connection
from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError
from ...topic_names import cover
from ..errors.translate import translate
from ..properties.build import admin_properties
from .admin import Admin, Asker
from .partition_ends import Place

T = TypeVar("T")

ANSWER_SECONDS = 10.0
LOOK_SECONDS = 0.5
AGAIN_SECONDS = 0.1

Topics = Mapping[str, Sequence[int]]
"""The numbers of the partitions of each."""


def places_among(found: Topics, topics: Collection[str], *, whole_names: bool) -> list[Place]:
    """The partitions of these topics; a ``^pattern`` stands for all that it matches, as a whole or at the start."""
    wanted = [topic for topic in found if cover(topics, topic, whole_names=whole_names)]
    return sorted((topic, number) for topic in wanted for number in found[topic])


class Cluster(Asker):
    """Whatever else asks this cluster may do it by the same ``admin``, in any thread, as long as this is open."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.admin = self._admin = Admin(connection, asks_for="topics and groups", on_error=self.note)
        self._trouble: KafkaError | None = None

    def topics(self, place: str = "topics of the cluster") -> Topics:
        """All that this user may see now; ``BrokerError`` says for ``place`` why that can't be told."""
        # Of all topics: a question for one would make it, where the broker makes topics on first use.
        found = self.ask(lambda client, timeout: client.list_topics(timeout=timeout), place).topics
        return {name: sorted(topic.partitions) for name, topic in found.items()}

    def ask(self, question: Callable[[Any, float], T], place: str, *, client: Any = None) -> T:
        """The answer, asked for again while nothing speaks against it: a refused connection need not be waited for.

        Another ``client`` than its own has to tell ``note`` of its errors. What is asked has to bear being given up:
        librdkafka's requests of an admin client don't, and may end the process where their answer is late.
        """
        client = client or self.admin.client()
        deadline, seconds = monotonic() + ANSWER_SECONDS, LOOK_SECONDS
        while True:
            try:
                return question(client, seconds)
            except KafkaException as error:
                failure = self._ours(error.args[0], place)
                if failure.retriable and self._trouble is None:
                    client.poll(AGAIN_SECONDS)  # what it has to report
                if self._trouble is not None:
                    raise self._ours(self._trouble, place) from error
                if not failure.retriable or monotonic() >= deadline:
                    raise failure from error
                # A broker that is slow would never be heard out.
                seconds *= 2

    def note(self, error: KafkaError) -> None:
        """Take down what may keep all answers away."""
        if isinstance(self._ours(error, ""), AccessDeniedError | BrokerUnavailableError):
            self._trouble = self._trouble or error

    def _ours(self, error: KafkaError, place: str) -> BrokerError:
        return translate(error, place=place, properties=admin_properties(self.connection))
