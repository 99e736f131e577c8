"""What a change of a topic does besides what it is made for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from django.utils.translation import gettext as _

from ...client.metadata.topic_configs import Config
from ...durations import spoken_here
from .needed import unhandled_before
from .reading import ClusterState
from .wanted import WantedTopic

CLEANUP, RETENTION_MS, RETENTION_BYTES = "cleanup.policy", "retention.ms", "retention.bytes"
IN_SYNC, LARGEST = "min.insync.replicas", "max.message.bytes"
FOR_EVER = -1


def of_creation(wanted: WantedTopic, *, brokers: int, fixed_partitions: int | None) -> str | None:
    """What the new topic will be like that somebody may not expect."""
    return _joined(_of_creation(wanted, brokers, fixed_partitions))


def of_added_partitions(config: Config) -> str:
    """What more partitions mean for the order of keys."""
    text = _(
        "most keys move to another partition: the order of a key's messages isn't kept across the change, unless all "
        "of before are handled before anything new is sent"
    )
    if not _compacts(config):
        return text
    return f"{text}; {_('newest values of keys that were compacted stay in their old partition')}"


def of_config(topic: str, after: Mapping[str, str | None], state: ClusterState) -> str | None:
    """What is lost or refused with these settings."""
    return _joined(_of_config(topic, after, state))


def of_fixed_partitions(count: int) -> str:
    """What a cluster makes of each topic in which that can't be chosen."""
    return _("the embedded broker gives each topic %(count)d partitions and keeps no settings of it") % {"count": count}


def is_compacted(policy: str | None) -> bool:
    """Whether a ``cleanup.policy`` keeps the newest message of each key."""
    return policy is not None and "compact" in policy


def number_of(config: Config, name: str) -> int | None:
    """A setting that is a number; None where it isn't told."""
    value = config[name].value if name in config else None
    return _number(value)


def _compacts(config: Config) -> bool:
    return CLEANUP in config and is_compacted(config[CLEANUP].value)


def _of_creation(wanted: WantedTopic, brokers: int, fixed_partitions: int | None) -> Iterator[str]:
    if fixed_partitions is not None:
        if wanted.is_declared:
            yield of_fixed_partitions(fixed_partitions)
        return
    if not wanted.is_declared:
        yield _('KAFKA["topics"] doesn\'t have it: partitions and replicas are what the cluster gives by itself')
    factor = wanted.replication_factor
    values = {"factor": factor, "brokers": brokers}
    if factor == 1 and brokers > 1:
        yield (
            _("one copy of each message on a cluster of %(brokers)d brokers: with its broker, messages are lost")
            % values
        )
    if factor is not None and factor > brokers:
        yield _("%(factor)d replicas need as many brokers, %(brokers)d can be seen: Kafka will refuse it") % values
    yield from _of_in_sync(_number(wanted.config.get(IN_SYNC)), factor)


def _of_in_sync(in_sync: int | None, factor: int | None) -> Iterator[str]:
    if in_sync is None or factor is None:
        return
    values = {"setting": IN_SYNC, "value": in_sync, "factor": factor}
    if in_sync > factor:
        text = _(
            "%(setting)s %(value)d with %(factor)d replica(s): Kafka will refuse everything that waits for all of them"
        )
        yield text % values
    elif in_sync == factor > 1:
        yield (
            _("%(setting)s is as large as the number of replicas: with one broker away nothing can be written") % values
        )


def _of_config(topic: str, after: Mapping[str, str | None], state: ClusterState) -> Iterator[str]:
    config = state.configs.get(topic, {})
    yield from (_("Kafka knows no %(setting)s of a topic") % {"setting": name} for name in after if name not in config)
    yield from _of_retention(topic, after, state)
    if CLEANUP in after and is_compacted(after[CLEANUP]) and not _compacts(config):
        yield _(
            "compaction keeps the newest message of each key alone, and messages without a key are refused from then on"
        )
    elif CLEANUP in after and not is_compacted(after[CLEANUP]) and _compacts(config):
        yield _("without compaction a key's newest message is deleted too when it is old enough")
    yield from _of_in_sync(_number(after.get(IN_SYNC)), state.layout.topics[topic].replication_factor)
    if _is_lower(after, config, LARGEST):
        text = _("messages larger than %(size)s bytes, which were taken before, will be refused")
        yield text % {"size": after[LARGEST]}


def _of_retention(topic: str, after: Mapping[str, str | None], state: ClusterState) -> Iterator[str]:
    config = state.configs.get(topic, {})
    if _is_lower(after, config, RETENTION_MS):
        milliseconds = _number(after[RETENTION_MS])
        assert milliseconds is not None
        yield _("messages older than %(age)s will be deleted") % {"age": spoken_here(milliseconds / 1000)}
        yield from unhandled_before(state.wanted.readers_of(topic), topic, milliseconds)
    if any(name in after and after[name] is None for name in (RETENTION_MS, RETENTION_BYTES)):
        yield _("the cluster's default may keep less: then the oldest messages will be deleted, handled or not")
    if _is_lower(after, config, RETENTION_BYTES):
        text = _(
            "a partition's oldest messages beyond %(size)s bytes will be deleted, handled or not: look at the lag of "
            "its groups first"
        )
        yield text % {"size": after[RETENTION_BYTES]}


def _is_lower(after: Mapping[str, str | None], config: Config, name: str) -> bool:
    """Whether a limit shrinks, where -1 is none."""
    new, old = _number(after.get(name)), number_of(config, name)
    if new is None or old is None or new == FOR_EVER:
        return False
    return old == FOR_EVER or new < old


def _number(value: str | None) -> int | None:
    try:
        return None if value is None else int(value)
    except ValueError:
        return None


def _joined(texts: Iterable[str]) -> str | None:
    return "; ".join(texts) or None
