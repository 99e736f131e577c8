"""Settings that are right each by itself and wrong together."""

from __future__ import annotations

from typing import Any

from django.conf import settings as django_settings

from ..topic_names import is_for_whole_names, is_pattern, stands_for
from .consumers import ConsumerSettings
from .levels import Level
from .problems import Kind, Problems, shown
from .producers import ProducerSettings
from .reserved_properties import says_yes
from .section import Section
from .security import OAUTHBEARER
from .settings import Settings

MAX_POLL_INTERVAL_MS = 300_000
SESSION_TIMEOUT_MS = 45_000
MESSAGE_TIMEOUT_MS = 300_000
IDEMPOTENT_MAX_IN_FLIGHT = 5
# Under the `consumer` protocol the broker decides these, and librdkafka refuses a client that brings them.
CLASSIC_GROUP_PROPERTIES = ("session.timeout.ms", "heartbeat.interval.ms", "partition.assignment.strategy")


def find_consumer_contradictions(consumer: ConsumerSettings, level: Level, section: Section) -> None:
    """Add the problems of a consumer that only show when several keys are looked at together."""
    if consumer.database not in django_settings.DATABASES:
        known = ", ".join(f'"{alias}"' for alias in django_settings.DATABASES)
        section.add("database", Kind.DATABASE, f"is {shown(consumer.database)}: settings.DATABASES has {known}")
    if consumer.transaction == "batch" and consumer.offset_storage != "database":
        section.add(
            "transaction", Kind.NO_EFFECT, 'is "batch", which has no effect without "offset_storage": "database"'
        )
    _look_at_ordering(consumer, section)
    _look_at_dead_letter_topic(consumer, section)
    if consumer.connection.transport == "kafka":
        _look_at_group(consumer, level, section)
        _look_at_times(consumer, level, section)
    _look_at_security(level, section.problems)


def _look_at_ordering(consumer: ConsumerSettings, section: Section) -> None:
    if consumer.ordering == "partition":
        return
    if consumer.transaction == "batch":
        section.add(
            "transaction",
            Kind.CONTRADICTION,
            f'is "batch", but under "ordering": "{consumer.ordering}" messages are handled side by side: each has a '
            "transaction of its own; remove it, or the ordering",
        )


def _look_at_dead_letter_topic(consumer: ConsumerSettings, section: Section) -> None:
    dead = consumer.dead_letter_topic
    if dead is None:
        return
    for topic in consumer.topics:
        if stands_for(topic, dead):
            section.add(
                "dead_letter_topic",
                Kind.CONTRADICTION,
                f"is {shown(dead)}, which the consumer itself reads ({shown(topic)}): "
                "each dead letter would come back; choose another topic",
            )


def _look_at_group(consumer: ConsumerSettings, level: Level, section: Section) -> None:
    if consumer.group_protocol == "consumer":
        for name in CLASSIC_GROUP_PROPERTIES:
            if name in level.config:
                section.problems.add(
                    Kind.CONTRADICTION,
                    f'{level.config_paths[name]} doesn\'t go with "group_protocol": "consumer", where the broker '
                    f"decides it: remove it{_remote_assignor(name)}.",
                )
        return
    if consumer.group_protocol == "auto":
        _look_at_patterns(consumer, section)
    assignors = str(level.config.get("partition.assignment.strategy", "")).replace(" ", "").split(",")
    if "cooperative-sticky" in assignors and len(assignors) > 1:
        section.problems.add(
            Kind.CONTRADICTION,
            f"{level.config_paths['partition.assignment.strategy']} mixes cooperative-sticky with others, "
            "which hand partitions over in another way: name one kind.",
        )


def _look_at_patterns(consumer: ConsumerSettings, section: Section) -> None:
    for topic in consumer.topics:
        if is_pattern(topic) and not is_for_whole_names(topic):
            section.add(
                "topics",
                Kind.CONTRADICTION,
                f'has {shown(topic)}, which "group_protocol": "auto" doesn\'t take: a classic group reads the topics '
                'that begin so, a group of KIP-848 those of this whole name; end it with ".*" or "$", with '
                "alternatives in parentheses",
            )


def _remote_assignor(name: str) -> str:
    return ', or use "group.remote.assignor"' if name == "partition.assignment.strategy" else ""


def _look_at_times(consumer: ConsumerSettings, level: Level, section: Section) -> None:
    poll_ms = _number(level, "max.poll.interval.ms", MAX_POLL_INTERVAL_MS)
    session_ms = _number(level, "session.timeout.ms", SESSION_TIMEOUT_MS)
    if consumer.group_protocol != "consumer" and poll_ms < session_ms:
        path = level.config_paths.get("max.poll.interval.ms") or level.config_paths["session.timeout.ms"]
        section.problems.add(
            Kind.CONTRADICTION,
            f"{path}: max.poll.interval.ms is {poll_ms:g}, below session.timeout.ms {session_ms:g}: "
            "raise the one or lower the other.",
        )
    heartbeat_ms = _number(level, "heartbeat.interval.ms", 0)
    if consumer.group_protocol != "consumer" and heartbeat_ms >= session_ms:
        section.problems.add(
            Kind.CONTRADICTION,
            f"{level.config_paths['heartbeat.interval.ms']} is {heartbeat_ms:g}, not below session.timeout.ms "
            f"{session_ms:g}: use a third of it.",
        )
    if consumer.rebalance_drain_seconds * 1000 >= poll_ms:
        section.add(
            "rebalance_drain_seconds",
            Kind.CONTRADICTION,
            f"is {consumer.rebalance_drain_seconds:g}, not below max.poll.interval.ms {poll_ms:g}: Kafka would "
            "take the consumer for dead before it hands over; lower it",
        )


def find_producer_contradictions(producer: ProducerSettings, level: Level, problems: Problems) -> None:
    """Add the problems of the producer that only show when several keys are looked at together."""
    _look_at_security(level, problems)
    for message in _idempotence_obstacles(producer, level):
        problems.add(Kind.CONTRADICTION, message)
    timeout_ms = min(
        _number(level, "message.timeout.ms", MESSAGE_TIMEOUT_MS),
        _number(level, "delivery.timeout.ms", MESSAGE_TIMEOUT_MS),
    )
    if 0 < timeout_ms <= producer.linger_ms:
        problems.add(
            Kind.CONTRADICTION,
            f'KAFKA["producer"]["linger_ms"] is {producer.linger_ms:g}, not below message.timeout.ms {timeout_ms:g}: '
            "messages would expire before they are sent; lower it.",
        )


def _idempotence_obstacles(producer: ProducerSettings, level: Level) -> list[str]:
    """Return what librdkafka would refuse: idempotence that was asked for, or that we ask for, and can't be."""
    acks_name = next((name for name in ("acks", "request.required.acks") if name in level.config), None)
    acks = str(level.config[acks_name]) if acks_name else str(producer.required_acks)
    retries = _number(level, "retries", _number(level, "message.send.max.retries", _retries(producer)))
    asked = "enable.idempotence" in level.config and says_yes(level.config["enable.idempotence"])
    declined = "enable.idempotence" in level.config and not asked
    path = level.config_paths.get("enable.idempotence")
    found = []
    if asked and acks not in {"-1", "all"}:
        found.append(f"{path} is on, but the acks are {acks}: an idempotent producer needs -1; change one of the two.")
    if asked and retries < 1:
        found.append(f"{path} is on, but there are no retries: an idempotent producer needs 1 or more.")
    if declined or (acks not in {"-1", "all"}) or retries < 1:
        if says_yes(level.config.get("enable.gapless.guarantee", False)):
            found.append(
                f"{level.config_paths['enable.gapless.guarantee']} needs an idempotent producer: remove it, or allow "
                "acks -1, retries and idempotence."
            )
        return found
    for name in ("max.in.flight", "max.in.flight.requests.per.connection"):
        if _number(level, name, 1) > IDEMPOTENT_MAX_IN_FLIGHT:
            found.append(
                f"{level.config_paths[name]} is {shown(level.config[name])}: an idempotent producer has at most "
                f'{IDEMPOTENT_MAX_IN_FLIGHT} requests in flight; lower it, or set "enable.idempotence": False.'
            )
    return found


def _retries(producer: ProducerSettings) -> float:
    return 1 if producer.max_retries is None else producer.max_retries


def _look_at_security(level: Level, problems: Problems) -> None:
    """Raw properties of a protocol that isn't used are credentials and certificates that nobody looks at."""
    connection = level.connection()
    if connection.transport != "kafka":
        return
    if connection.sasl is not None and connection.sasl.mechanism == OAUTHBEARER:
        _look_at_token_source(connection.sasl.path, level, problems)
    protocol = str(level.config.get("security.protocol", _protocol(connection.tls, connection.sasl))).lower()
    for name in level.config:
        needed = "sasl_" if name.startswith("sasl.") else "ssl" if name.startswith("ssl.") else ""
        if needed not in protocol:
            word = "authentication" if needed == "sasl_" else "TLS"
            remedy = 'use "sasl"' if needed == "sasl_" else 'set "ssl": True'
            problems.add(
                Kind.SECURITY,
                f"{level.config_paths[name]} is given, but the connection is without {word}: {remedy}, or set "
                '"security.protocol".',
            )
    if "security.protocol" in level.config:
        for key, part, given in (("ssl", "ssl", connection.tls), ("sasl", "sasl_", connection.sasl)):
            if given is not None and part not in protocol:
                problems.add(
                    Kind.SECURITY,
                    f'{level.config_paths["security.protocol"]} is "{protocol}", which leaves out "{key}": remove it.',
                )


def _look_at_token_source(path: str, level: Level, problems: Problems) -> None:
    if "oauth_cb" in level.config or "enable.sasl.oauthbearer.unsecure.jwt" in level.config:
        return
    if not any(name.startswith("sasl.oauthbearer.") for name in level.config):
        problems.add(
            Kind.SECURITY,
            f'{path} with the mechanism "oauthbearer" needs to know where tokens come from: give "config": '
            '{"sasl.oauthbearer.token.endpoint.url": "https://…"}, or {"oauth_cb": "path.to.function"}.',
        )


def _protocol(tls: object, sasl: object) -> str:
    return ("sasl_" if sasl else "") + ("ssl" if tls else "plaintext")


def warn_of_split_topics(settings: Settings, problems: Problems) -> None:
    """Warn where two consumers of one group read one topic with two handlers: each message reaches only one."""
    readers: dict[tuple[str, str], ConsumerSettings] = {}
    for consumer in settings.consumers.values():
        for topic in consumer.topics if consumer.enabled else ():
            other = readers.setdefault((consumer.consumer_group, topic), consumer)
            if other.message_handler != consumer.message_handler:
                problems.add(
                    Kind.SPLIT_TOPIC,
                    f'The consumers "{other.name}" and "{consumer.name}" share the group '
                    f"{shown(consumer.consumer_group)} and the topic {shown(topic)}: each message reaches only one of "
                    "their handlers; give each its own consumer_group.",
                )


def _number(level: Level, name: str, default: float) -> float:
    value: Any = level.config.get(name, default)
    try:
        return float(value)
    except (TypeError, ValueError):
        return default
