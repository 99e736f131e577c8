"""Rows of the outbox that others wrote: what can't ever be sent is told from what the client couldn't send."""

from __future__ import annotations

from ..errors import InvalidMessageError
from ..headers import Headers, normalize_headers
from ..producing.arguments import check_partition, read_timestamp
from ..topic_names import topic_name_problem
from .table import OutboxRow


def headers_of(row: OutboxRow) -> Headers:
    """The row's headers; ``InvalidMessageError`` if ``publish()`` can't have written them."""
    try:
        return row.load_headers()
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise _not_ours(row, f"its headers: {type(error).__name__}") from error


def check_row(row: OutboxRow, headers: Headers) -> None:
    """``InvalidMessageError`` for what no client would take, which ``publish()`` refuses at the call."""
    try:
        normalize_headers(headers)
        if row.partition is not None:
            check_partition(row.topic, row.partition)
        if row.timestamp_ms:
            read_timestamp(row.topic, row.timestamp_ms)
    except InvalidMessageError as error:
        raise _not_ours(row, str(error)) from error
    if problem := topic_name_problem(row.topic):
        raise _not_ours(row, problem)


def _not_ours(row: OutboxRow, problem: str) -> InvalidMessageError:
    return InvalidMessageError(
        f"topic {row.topic}: the row is none that publish() writes ({problem.rstrip('.')}). Correct it and retry it."
    )
