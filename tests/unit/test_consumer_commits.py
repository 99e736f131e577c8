"""Commits that are on their way while their partition begins anew elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from kafka_integration.client.metadata.leader_epochs import LeaderEpochs
from kafka_integration.consuming.committing.commits import Commits
from kafka_integration.consuming.offsets.start import Start
from kafka_integration.consuming.partition import Partition
from kafka_integration.message import Decoding, KeptRecord, Message

PLACE = ("events", 0)


class Client:
    """Keeps what is committed, and answers nothing by itself."""

    def __init__(self) -> None:
        self.leader_epochs = LeaderEpochs()
        self.commits: list[Any] = []

    def commit(self, offsets: Any, *, wait: bool, notes: Any) -> None:
        self.commits.append(offsets[PLACE])


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def commits(client: Any) -> Commits:
    settings: Any = SimpleNamespace(name="c", consumer_group="group", offset_commit_interval_seconds=5)
    ends: Any = None
    return Commits(settings, client, ends)


def begun_at(partition: Partition, offset: int) -> Partition:
    partition.restart(Start(offset=offset))
    partition.begin()
    partition.place()
    return partition


def finish(partition: Partition, offset: int) -> None:
    partition.ledger.take(offset + 1)
    record = KeptRecord(place=(*PLACE, offset), key=None, value=None, headers=[])
    partition.ledger.finish(Message(record, Decoding(key=bytes, value=bytes)))


@pytest.mark.parametrize("ordering", ["partition", "key"])
@pytest.mark.parametrize("is_late", [False, True])
def test_a_commit_of_where_a_partition_was_before_holds_back_none_of_where_it_went_back_to(
    client: Client, commits: Commits, ordering: Any, is_late: bool
) -> None:
    partition = begun_at(Partition(*PLACE, ordering), 100)
    finish(partition, 129)
    commits.commit([partition])
    begun_at(partition, 0)
    finish(partition, 0)

    if is_late:
        commits.commit([partition])
        commits.confirm(PLACE, partition, 130)
    else:
        commits.confirm(PLACE, partition, 130)
        commits.commit([partition])

    assert client.commits == [130, 1]
    assert not commits.is_quiet
    commits.confirm(PLACE, partition, 1)
    assert commits.is_quiet
    assert partition.ledger.committed == 1
