"""Telling that a schema could not be had for a reason that time heals, from an exception of whoever asked for it.

By names: with what a schema registry is asked is the project's to choose, and may not be installed.
"""

from __future__ import annotations

from collections.abc import Iterator

from .summaries import attribute_of, escaped

# Of a registry's own answers those that are about the schema: there is none, or it isn't taken. Their codes begin with
# the status; another 404 is the word of whatever stands in front of it.
_ABOUT_THE_SCHEMA = (404, 409, 422)
_NETWORK_ERRORS = {
    *(("TransportError", library) for library in ("httpx", "httpx2")),
    *((name, "requests") for name in ("ConnectionError", "Timeout")),
    ("gaierror", "socket"),
    ("OAuthTokenError", "confluent_kafka"),
}


def unavailability_of(error: BaseException) -> str | None:
    """What was away, in words that a log may have; None for any other failure."""
    for link in _chain(error):
        if (status := _status_of(link)) is not None:
            return None if _is_about_the_schema(link, status) else description_of(link)
        if _is_of_the_network(link):
            return description_of(link)
    return None


def description_of(error: BaseException) -> str:
    """The class of an error, and what a registry answered; never its text, which may quote a payload or a password."""
    for link in _chain(error):
        if (status := _status_of(link)) is not None:
            return f"{escaped(type(link).__name__)} (HTTP {status}, code {attribute_of(link, 'error_code')})"
    return escaped(type(error).__name__)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and what it says itself that led to it, each once.

    Not what was being handled meanwhile: a handler may look at its message while it deals with an outage of its own.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = attribute_of(link, "__cause__")


def _status_of(error: BaseException) -> int | None:
    status = attribute_of(error, "http_status_code")
    return status if isinstance(status, int) else None


def _is_about_the_schema(error: BaseException, status: int) -> bool:
    code = attribute_of(error, "error_code")
    # An incompatible schema is answered with 409 alone.
    return status in _ABOUT_THE_SCHEMA and isinstance(code, int) and (code // 100 == status or code == status == 409)


def _is_of_the_network(error: BaseException) -> bool:
    if isinstance(error, ConnectionError | TimeoutError):
        return True
    # urllib's answer with a status is of its class for a server that can't be reached.
    reason = attribute_of(error, "reason")
    if isinstance(reason, Exception) and type(error).__name__ == "URLError":
        return _is_of_the_network(reason)
    return any((cls.__name__, cls.__module__.partition(".")[0]) in _NETWORK_ERRORS for cls in type(error).__mro__)
