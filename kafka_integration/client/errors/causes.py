"""What Kafka's error codes mean to the person who reads them, what to do, and whether waiting helps.

The names are librdkafka's: a leading underscore marks what the client found out by itself. Its own ``retriable``
flag speaks of transactions only, so the judgement is here.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import AccessDeniedError, BrokerError, BrokerUnavailableError


@dataclass(frozen=True, kw_only=True)
class Cause:
    """One code in words; ``retriable`` is what time can heal without anybody touching message or settings."""

    text: str
    remedy: str = ""
    retriable: bool = False
    error: type[BrokerError] = BrokerError


def passing(text: str, remedy: str = "", error: type[BrokerError] = BrokerError) -> Cause:
    return Cause(text=text, remedy=remedy, retriable=True, error=error)


def lasting(text: str, remedy: str = "") -> Cause:
    return Cause(text=text, remedy=remedy)


def denied(text: str, remedy: str) -> Cause:
    return Cause(text=text, remedy=remedy, error=AccessDeniedError)


_REACH = 'Check that Kafka runs and that KAFKA["endpoints"] names it.'
_NEWER_BROKER = 'group_protocol "consumer" needs Kafka 4.0; all else is tested with 3.9 and newer.'
_SLOW = passing("the broker did not answer in time", "It is overloaded, or was just lost; try again.")
_ELECTION = passing("the partition has no leader at the moment", "Kafka is electing one; try again.")
_COORDINATOR = passing("the group has no coordinator at the moment", "Kafka is electing one; try again.")
_REPLICAS = passing(
    "fewer replicas are in sync than min.insync.replicas asks for", "Bring the missing brokers back; try again."
)
_UNREACHABLE = passing("no broker can be reached", _REACH, BrokerUnavailableError)
_UNKNOWN_TOPIC = passing(
    "the topic or partition does not exist", "Create it, or correct the name in the call or in settings.KAFKA."
)
_TOO_LARGE = lasting(
    "the message is larger than allowed",
    "Send less, or raise message.max.bytes here (config) and max.message.bytes of the topic.",
)
_INSTANCE_TAKEN = lasting(
    "another member of the group uses the same group.instance.id",
    "Give every process its own group.instance.id, or none.",
)
_MIXED_GROUP = lasting(
    "the other members of the group use another protocol or assignor",
    "Use one partition.assignment.strategy and one group_protocol for all members of a consumer_group.",
)
_REBALANCING = passing("the group is rebalancing")
_PURGED = lasting("the message was dropped from the client's queue before it was confirmed")

CAUSES: dict[str, Cause] = {
    # Reaching a broker
    "_ALL_BROKERS_DOWN": _UNREACHABLE,
    "_TRANSPORT": _UNREACHABLE,
    "_FAIL": _UNREACHABLE,
    "NETWORK_EXCEPTION": _UNREACHABLE,
    "BROKER_NOT_AVAILABLE": _UNREACHABLE,
    "_RESOLVE": passing("the broker's host name can't be resolved", _REACH, BrokerUnavailableError),
    "_TIMED_OUT": _SLOW,
    "_TIMED_OUT_QUEUE": _SLOW,
    "REQUEST_TIMED_OUT": _SLOW,
    "_WAIT_CACHE": _SLOW,
    "THROTTLING_QUOTA_EXCEEDED": passing("the broker's quota for this client is used up", "Wait, or raise the quota."),
    # Getting in
    "_AUTHENTICATION": denied(
        "the broker refused the credentials", 'Check mechanism, login and password in KAFKA["sasl"].'
    ),
    "SASL_AUTHENTICATION_FAILED": denied(
        "the broker refused the credentials", 'Check mechanism, login and password in KAFKA["sasl"].'
    ),
    "UNSUPPORTED_SASL_MECHANISM": denied(
        "the broker does not offer this SASL mechanism", 'Choose another "mechanism" in KAFKA["sasl"].'
    ),
    "ILLEGAL_SASL_STATE": denied(
        "the broker expected another step of the SASL handshake", 'Check that KAFKA["sasl"] fits the listener.'
    ),
    "_SSL": denied("the TLS handshake failed", 'Check KAFKA["ssl"] and that the port is a TLS listener.'),
    "TOPIC_AUTHORIZATION_FAILED": denied(
        "an ACL on the topic is missing", "Grant this user WRITE on the topic to produce, READ to consume."
    ),
    "GROUP_AUTHORIZATION_FAILED": denied(
        "an ACL on the consumer group is missing", "Grant this user READ on the group."
    ),
    "CLUSTER_AUTHORIZATION_FAILED": denied(
        "an ACL on the cluster is missing",
        "Grant this user the operation on the cluster (IDEMPOTENT_WRITE to produce before Kafka 2.8).",
    ),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": denied(
        "an ACL on the transactional id is missing", "Grant this user WRITE on the transactional id."
    ),
    # Topics and partitions
    "UNKNOWN_TOPIC_OR_PART": _UNKNOWN_TOPIC,
    "_UNKNOWN_TOPIC": _UNKNOWN_TOPIC,
    "_UNKNOWN_PARTITION": _UNKNOWN_TOPIC,
    "UNKNOWN_TOPIC_ID": passing("the topic was deleted, or created anew"),
    "INCONSISTENT_TOPIC_ID": passing("the topic was created anew"),
    "LEADER_NOT_AVAILABLE": _ELECTION,
    "NOT_LEADER_FOR_PARTITION": _ELECTION,
    "FENCED_LEADER_EPOCH": _ELECTION,
    "UNKNOWN_LEADER_EPOCH": _ELECTION,
    "REPLICA_NOT_AVAILABLE": _ELECTION,
    "PREFERRED_LEADER_NOT_AVAILABLE": _ELECTION,
    "ELIGIBLE_LEADERS_NOT_AVAILABLE": _ELECTION,
    "KAFKA_STORAGE_ERROR": passing("the broker can't use its disk", "Look at the broker's log."),
    "NOT_CONTROLLER": passing("the cluster's controller is changing"),
    "TOPIC_EXCEPTION": lasting(
        "Kafka does not take this topic name",
        'Use at most 249 letters a-z, digits, ".", "_" and "-"; names that Kafka keeps for itself are not writable.',
    ),
    "TOPIC_ALREADY_EXISTS": lasting("the topic exists already"),
    "POLICY_VIOLATION": lasting("a policy of the cluster forbids it", "Ask whoever runs the cluster."),
    "INVALID_CONFIG": lasting("Kafka does not take a setting of the topic", 'Check "config" in KAFKA["topics"].'),
    "INVALID_REPLICATION_FACTOR": lasting(
        "there are fewer brokers than replicas asked for", 'Lower "replication_factor" in KAFKA["topics"].'
    ),
    "INVALID_REGULAR_EXPRESSION": lasting(
        "Kafka does not take the topic pattern", "The consumer protocol reads patterns as RE2, against the whole name."
    ),
    # Producing
    "MSG_SIZE_TOO_LARGE": _TOO_LARGE,
    "INVALID_MSG_SIZE": _TOO_LARGE,
    "RECORD_LIST_TOO_LARGE": _TOO_LARGE,
    "_MSG_TIMED_OUT": passing(
        "the message was not confirmed in time", "Check that the topic exists and that its leader can be reached."
    ),
    "_QUEUE_FULL": passing(
        "the client's queue of unsent messages is full",
        "Kafka is slower than this process or unreachable; produce less, or raise queue.buffering.max.messages.",
    ),
    "NOT_ENOUGH_REPLICAS": _REPLICAS,
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND": _REPLICAS,
    "_ISR_INSUFF": _REPLICAS,
    "INVALID_REQUIRED_ACKS": lasting("Kafka does not take these acks", "required_acks is -1, 0 or 1."),
    "INVALID_RECORD": lasting(
        "the broker refused the record", "A compacted topic takes no message without a key; timestamps have limits too."
    ),
    "INVALID_TIMESTAMP": lasting("the timestamp is outside what the topic allows", "Leave it out, or correct it."),
    "_GAPLESS_GUARANTEE": lasting("a message before this one failed, and no gap is allowed"),
    "_PURGE_QUEUE": _PURGED,
    "_PURGE_INFLIGHT": _PURGED,
    "_DESTROY": _PURGED,
    # Groups and offsets
    "COORDINATOR_NOT_AVAILABLE": _COORDINATOR,
    "COORDINATOR_LOAD_IN_PROGRESS": _COORDINATOR,
    "NOT_COORDINATOR": _COORDINATOR,
    "_WAIT_COORD": _COORDINATOR,
    "REBALANCE_IN_PROGRESS": _REBALANCING,
    "ILLEGAL_GENERATION": _REBALANCING,
    "STALE_MEMBER_EPOCH": _REBALANCING,
    "UNKNOWN_MEMBER_ID": passing("the group does not know this member any more"),
    "FENCED_MEMBER_EPOCH": passing("the group gave this member's place away"),
    "UNSTABLE_OFFSET_COMMIT": passing("offsets of a transaction are still being committed"),
    "CONCURRENT_TRANSACTIONS": passing("a transaction of this producer is still being completed"),
    "FENCED_INSTANCE_ID": _INSTANCE_TAKEN,
    "UNRELEASED_INSTANCE_ID": _INSTANCE_TAKEN,
    "INCONSISTENT_GROUP_PROTOCOL": _MIXED_GROUP,
    # What a broker says to a member under KIP-848 whose group is a classic one that may not be converted.
    "GROUP_ID_NOT_FOUND": _MIXED_GROUP,
    "UNSUPPORTED_ASSIGNOR": lasting(
        "the broker does not offer this assignor", 'Remove "group.remote.assignor" from the config.'
    ),
    "INVALID_GROUP_ID": lasting("Kafka does not take this consumer_group", "Give it a name that is not empty."),
    "GROUP_MAX_SIZE_REACHED": lasting("the group is full", "Start fewer members, or raise group.max.size."),
    "INVALID_SESSION_TIMEOUT": lasting(
        "session.timeout.ms is outside what the broker allows",
        "Stay within group.min.session.timeout.ms and group.max.session.timeout.ms.",
    ),
    "UNSUPPORTED_VERSION": lasting("the broker is too old for this", _NEWER_BROKER),
    "_UNSUPPORTED_FEATURE": lasting("the broker does not offer this", _NEWER_BROKER),
    "OFFSET_OUT_OF_RANGE": lasting(
        "the offset is no longer (or not yet) there", "offset_reset_policy decides where to go on."
    ),
    "_AUTO_OFFSET_RESET": lasting(
        'no valid offset, and offset_reset_policy is "none"',
        'Set the group\'s offset, or choose "earliest" or "latest".',
    ),
    "_MAX_POLL_EXCEEDED": passing("the consumer did not poll within max.poll.interval.ms and lost its partitions"),
    "_INVALID_ARG": lasting("the client does not take these settings", 'Check "config" in settings.KAFKA.'),
}
