"""The edge at which librdkafka's errors become ours: clear text, with place and remedy and without secrets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from ...errors import BrokerError, BrokerUnavailableError
from ...summaries import summarize
from .causes import CAUSES, Cause, denied, passing
from .certificates import certificate_problem, find_address

CLIENT_RAISED = "_CLIENT_RAISED"
"""The code of what is no answer of Kafka's or librdkafka's: the call itself broke, in whatever wraps the client."""
ClientError = KafkaError
"""librdkafka's error, for annotations beyond the client's floor."""

# librdkafka quotes the refused value; of these properties it is a secret, or may hold one.
_QUOTED_SECRET = re.compile(
    r'(?i)(value )"[^"]*"( for configuration property "[^"]*(?:password|secret|token|key|jaas|sasl|pem|config)[^"]*")'
)
_USERINFO = re.compile(r"//[^/@\s]+@")
# No broker was asked yet.
_WITHOUT_TOKEN = re.compile(r"(?i)OAUTHBEARER token")
_NO_TOKEN = passing(
    "there is no token to authenticate with",
    'Its source is in KAFKA["config"]: "oauth_cb", or "sasl.oauthbearer.token.endpoint.url".',
    BrokerUnavailableError,
)
# An error of the code _FATAL says in its text alone what was fatal.
_FATAL_CAUSES = {
    name: KafkaError(getattr(KafkaError, name)).str()
    for name in (
        *("FENCED_INSTANCE_ID", "UNRELEASED_INSTANCE_ID", "UNSUPPORTED_VERSION", "GROUP_AUTHORIZATION_FAILED"),
        "GROUP_ID_NOT_FOUND",
    )
}
# What a handshake can fail for, by librdkafka's text or by that of ``certificate_problem``.
_TLS_CAUSES = (
    (
        re.compile(r"(?i)host\s?name mismatch|ip address mismatch"),
        denied(
            "the broker's certificate is for another host name",
            'Use a name of the certificate in KAFKA["endpoints"] (and in the broker\'s advertised.listeners).',
        ),
    ),
    (
        re.compile(r"(?i)certificate has expired|not yet valid"),
        denied("the broker's certificate is out of date", "Renew it, or set this machine's clock."),
    ),
    (
        re.compile(r"(?i)certificate verify failed|self.signed|unable to get (?:local )?issuer"),
        denied(
            "the broker's certificate is not signed by a CA that this client trusts",
            'Give the CA that signed it as "ca" in KAFKA["ssl"].',
        ),
    ),
    (
        re.compile(r"(?i)\balert\b|unexpected message"),
        denied(
            "the broker refused the TLS handshake",
            'It may ask for a client certificate: give "cert" and "key" in KAFKA["ssl"].',
        ),
    ),
    (
        re.compile(r"(?i)wrong version number|unknown protocol|packet length too long"),
        denied(
            "the broker does not speak TLS on this port",
            'Use the port of its TLS listener, or remove "ssl" from settings.KAFKA.',
        ),
    ),
    (
        re.compile(r"PLAINTEXT broker listener|Disconnected.*in state SSL_HANDSHAKE"),
        passing(
            "the broker closed the connection during the TLS handshake",
            'If that goes on, its port is no TLS listener: use another port, or remove "ssl" from settings.KAFKA.',
            BrokerUnavailableError,
        ),
    ),
    (
        re.compile(r"SSL listener|require SASL|in state APIVERSION_QUERY|Disconnected.*after \d{1,3}ms in state UP"),
        passing(
            "the broker closed the connection, as one does that expects TLS or SASL",
            'If that goes on, check "ssl" and "sasl" in settings.KAFKA against the listener.',
            BrokerUnavailableError,
        ),
    ),
)


class translated:  # noqa: N801 - reads like contextlib's suppress
    """A context in which ``errors`` become ours, as ``translate`` says them; it can be entered again and again."""

    def __init__(
        self, place: str, *, properties: Mapping[str, Any] | None = None, errors: type[Exception] = KafkaException
    ) -> None:
        self._place = place
        self._properties = properties
        self._errors = errors

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if isinstance(error, self._errors):
            raise translate(error, place=self._place, properties=self._properties) from error


def translate(
    error: KafkaError | Exception, *, place: str = "Kafka", properties: Mapping[str, Any] | None = None
) -> BrokerError:
    """Our error for one of librdkafka's; ``place`` says whose it is (``"topic login"``, ``"consumer marketing"``).

    Its ``retriable`` is True where time may heal it: the broker is down, a leader is being elected. With the
    client's ``properties`` a refused certificate is looked at once more, to say what is wrong with it.
    """
    if not isinstance(error, KafkaError | KafkaException):
        return _raised(error, place)
    kafka_error = _kafka_error(error)
    if kafka_error is None:
        return BrokerError(f"{place}: {without_secrets(str(error))}")
    code, detail = kafka_error.name(), without_secrets(kafka_error.str())
    if properties is not None and "certificate verify failed" in detail:
        detail = _with_certificate_problem(detail, properties)
    cause = _cause(kafka_error, detail)
    # A consumer's fatal error comes as an event of this code, which doesn't say that it is fatal.
    fatal = kafka_error.fatal() or code == "_FATAL"
    return cause.error(
        f"{place}: {cause.text} ({code}: {detail}). {cause.remedy}".rstrip(),
        code=_meant(code, detail),
        retriable=cause.retriable and not fatal,
        fatal=fatal,
    )


def _raised(error: Exception, place: str) -> BrokerError:
    """For whatever else a call of the client raises: not the fault of any message, and worth another try."""
    return BrokerError(
        f"{place}: the Kafka client raised {summarize(error)}, which is no answer of Kafka's. Whatever wraps the "
        "client (a tracer?) has to be mended or switched off.",
        code=CLIENT_RAISED,
        retriable=True,
    )


def is_retriable(error: KafkaError) -> bool:
    """Whether time may heal it, so that waiting is right and no message is to blame."""
    return _cause(error, error.str()).retriable and not error.fatal()


def without_secrets(detail: str) -> str:
    """One of librdkafka's texts with whatever it quotes of passwords and keys taken out."""
    detail = detail.removeprefix("Broker: ").removeprefix("Local: ")
    return _USERINFO.sub("//", _QUOTED_SECRET.sub(r"\1(hidden)\2", detail))


def _kafka_error(error: KafkaError | KafkaException) -> KafkaError | None:
    first = error if isinstance(error, KafkaError) else next(iter(error.args), None)
    return first if isinstance(first, KafkaError) else None


def _cause(error: KafkaError, detail: str) -> Cause:
    code = error.name()
    if code in ("_SSL", "_TRANSPORT", "_FAIL"):
        for pattern, cause in _TLS_CAUSES:
            if pattern.search(detail):
                return cause
    if code == "_AUTHENTICATION" and _WITHOUT_TOKEN.search(detail):
        return _NO_TOKEN
    return CAUSES.get(_meant(code, detail)) or Cause(text="Kafka answered with an error", retriable=error.retriable())


def _meant(code: str, detail: str) -> str:
    """What was fatal, for an error that says in its code only that it is."""
    if code != "_FATAL":
        return code
    return next((name for name, text in _FATAL_CAUSES.items() if text in detail), code)


def _with_certificate_problem(detail: str, properties: Mapping[str, Any]) -> str:
    # Instead of librdkafka's text, which speaks of the CA whatever the reason.
    address = find_address(detail)
    problem = certificate_problem(address, properties) if address else None
    return f"{address[0]}:{address[1]}: {problem.rstrip('.')}" if address and problem else detail
