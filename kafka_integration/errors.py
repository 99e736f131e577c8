"""Every error of the package, one root.

KafkaIntegrationError
├── ConfigurationError            settings that can't work (also ImproperlyConfigured)
├── ProduceError                  one message was not accepted, or not confirmed
│   ├── InvalidMessageError       refused at the call: nothing was sent (also ValueError)
│   ├── DeliveryError             accepted at the call, but not delivered (also BrokerError: ``code``, ``retriable``)
│   │   ├── DeliveryDeniedError   not delivered because Kafka refused us (also AccessDeniedError)
│   │   └── DeliveryUnavailableError  not sent because there is no broker (also BrokerUnavailableError)
│   ├── SerializationUnavailableError  not sent because its schema can't be had now (also SchemaUnavailableError)
│   ├── ProduceTimeoutError       outcome unknown: ``may_still_arrive`` (also TimeoutError)
│   └── BatchProduceError         some of a batch failed: ``failed`` says which
│       └── InvalidBatchError     refused at the call, nothing was written (also InvalidMessageError)
├── BrokerError                   Kafka answered with an error; ``code`` and ``retriable`` say which
│   ├── BrokerUnavailableError    no broker can be reached
│   └── AccessDeniedError         wrong credentials, certificate, host name or a missing ACL
├── HandlerError                  a ``message_handler`` that can't be loaded or used, or steers in no way there is
├── DecodeError                   a key or value its deserializer can't read (also ValueError)
├── SchemaUnavailableError        a key or value can't be read, or written, now: its schema can't be had
├── RowError                      a message that makes no row of a sink's model (also ValueError)
├── FencedError                   another worker owns the partition now; this one's work rolls back
│   └── LeaseLostError            another worker replays the dead letter now
├── ResetRefusedError             a group's offsets can't be moved: who or what is in the way
├── CommandRefusedError           a process can't do what it is asked, or none can be asked
│   └── CommandUnfinishedError    it does what it is asked, and isn't done in time
├── UnknownDeadLetterError        no dead letter has that id: ``ids``
├── OffsetOutOfRangeError         what comes next is not in the partition, and nothing else may come instead
├── TooManyStuckHandlersError     more handlers overran the drain deadline than there can be threads for
├── EmbeddedBrokerRunningError    there is one for this project already: ``servers`` says where
├── BatchError                    what ``handle_messages`` raises; stands with the other outcomes, in ``outcomes``
└── ConsumerStoppedError          a message failed for good, and its consumer's policy is to stop there
    └── TooManyDeadLettersError   more in a minute than ``max_dead_letters_per_minute`` allows
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from django.core.exceptions import ImproperlyConfigured


class KafkaIntegrationError(Exception):
    """Root of all errors raised by ``kafka_integration``."""


class ConfigurationError(KafkaIntegrationError, ImproperlyConfigured):
    """``settings.KAFKA`` can't work; ``problems`` lists every reason, each with the path of its key."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class ProduceError(KafkaIntegrationError):
    """A message was not accepted or not confirmed.

    ``may_still_arrive`` is True when the outcome is unknown: producing it again may make a duplicate.
    """

    may_still_arrive = False


class InvalidMessageError(ProduceError, ValueError):
    """The call was refused before anything was sent."""


class ProduceTimeoutError(ProduceError, TimeoutError):
    """No acknowledgement within the time given; the message may still arrive."""

    may_still_arrive = True
    retriable = True


class SchemaUnavailableError(KafkaIntegrationError):
    """The schema registry can't be asked: what needs a schema of it can succeed later, unchanged."""


class SerializationUnavailableError(ProduceError, SchemaUnavailableError):
    """Nothing was sent, because the schema of a key or value can't be had now."""

    retriable = True


class BatchProduceError(ProduceError):
    """Some messages of a batch failed; ``failed`` maps their index in the batch to the error."""

    def __init__(self, message: str, failed: Mapping[int, Exception]) -> None:
        self.failed = dict(failed)
        self.may_still_arrive = any(getattr(e, "may_still_arrive", False) for e in self.failed.values())
        super().__init__(message)


class InvalidBatchError(BatchProduceError, InvalidMessageError):
    """A batch was refused before anything was written; ``failed`` says for which messages, and why."""


class BrokerError(KafkaIntegrationError):
    """Kafka or its client answered with an error.

    ``code`` is librdkafka's name for it (``"UNKNOWN_TOPIC_OR_PART"``), ``retriable`` and ``fatal`` are its flags.
    """

    def __init__(self, message: str, *, code: str = "", retriable: bool = False, fatal: bool = False) -> None:
        self.code = code
        self.retriable = retriable
        self.fatal = fatal
        super().__init__(message)


class BrokerUnavailableError(BrokerError):
    """No broker of ``endpoints`` can be reached."""


class AccessDeniedError(BrokerError):
    """The broker refused us: credentials, certificate, host name or a missing ACL."""


class DeliveryError(ProduceError, BrokerError):
    """A message was not delivered; ``code`` says why, ``may_still_arrive`` whether that is certain."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "",
        retriable: bool = False,
        fatal: bool = False,
        may_still_arrive: bool = False,
    ) -> None:
        super().__init__(message, code=code, retriable=retriable, fatal=fatal)
        self.may_still_arrive = may_still_arrive


class DeliveryDeniedError(DeliveryError, AccessDeniedError):
    """A message was not delivered: wrong credentials, certificate, host name or a missing ACL."""


class DeliveryUnavailableError(DeliveryError, BrokerUnavailableError):
    """A message was not sent: the embedded broker isn't running, or no broker can be asked about the partitions."""


class HandlerError(KafkaIntegrationError):
    """A ``message_handler`` can't be loaded, or returned what its consumer doesn't allow."""


class DecodeError(KafkaIntegrationError, ValueError):
    """A key or value can't be read by its deserializer; names the coordinates, never the payload."""


class RowError(KafkaIntegrationError, ValueError):
    """A message makes no row of a sink's model; names the field, never the payload."""


class FencedError(KafkaIntegrationError):
    """Another worker owns the partition; this one's transaction rolls back."""


class LeaseLostError(FencedError):
    """The dead letter is no longer this worker's to settle."""


class ResetRefusedError(KafkaIntegrationError):
    """The offsets of a group can't be moved as was asked, or not all of them yet; it says which were."""


class CommandRefusedError(KafkaIntegrationError):
    """A process can't do what it is asked, or there is none that could be asked."""


class CommandUnfinishedError(CommandRefusedError):
    """A process has begun what it was asked, and does it as soon as it can: nobody knows when."""


class UnknownDeadLetterError(KafkaIntegrationError):
    """There is no dead letter of some id; ``ids`` says which."""

    def __init__(self, ids: Collection[int], database: str) -> None:
        self.ids = sorted(ids)
        shown = ", ".join(map(str, self.ids[:10])) + (", …" if len(self.ids) > 10 else "")
        super().__init__(
            f'there is no dead letter {shown} in database "{database}": it may have been purged; '
            "kafkadeadletters list shows those there are"
        )


class OffsetOutOfRangeError(KafkaIntegrationError):
    """An offset is no longer, or not yet, in the partition: ``offset_reset_policy`` is "none", or it was asked for."""


class TooManyStuckHandlersError(KafkaIntegrationError):
    """So many handlers overran the drain deadline that more threads would only make it worse."""


class EmbeddedBrokerRunningError(KafkaIntegrationError):
    """An embedded broker already runs for this project; ``servers`` is where."""

    def __init__(self, servers: str) -> None:
        self.servers = servers
        super().__init__(
            f"An embedded broker already runs for this project, on {servers}. "
            "Use it, or stop it before starting another."
        )


class ConsumerStoppedError(KafkaIntegrationError):
    """A message failed for good and its consumer's policy is to stop there."""


class TooManyDeadLettersError(ConsumerStoppedError):
    """So many messages of a group failed within a minute that something else is wrong."""
