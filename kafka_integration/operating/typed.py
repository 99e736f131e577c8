"""What somebody types on a command line or into a form; ``ArgumentTypeError`` says what is wrong with it."""

from __future__ import annotations

from argparse import ArgumentTypeError
from datetime import datetime
from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from ..topic_names import topic_name_problem

if TYPE_CHECKING:
    from ..client.topic_reader import Start

MOST_DIGITS = 18
"""As many as a bigint may have."""


def is_number(text: str, *, most_digits: int = MOST_DIGITS) -> bool:
    """Whether it is a whole number, 0 or more, that a database takes."""
    return text.isascii() and text.isdigit() and len(text) <= most_digits


def read_text(text: str) -> str:
    """What databases and Kafka take as text."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentTypeError("it holds bytes that aren't UTF-8") from error
    return text


def read_topic(text: str) -> str:
    if problem := topic_name_problem(text):
        raise ArgumentTypeError(problem)
    return text


def read_places(text: str) -> tuple[str, int | None]:
    """``T`` for all partitions of a topic, ``T:P`` for one."""
    topic, colon, number = text.partition(":")
    if colon and not is_number(number, most_digits=9):
        raise ArgumentTypeError(f"{number!r} is no number of a partition: give TOPIC or TOPIC:PARTITION")
    return read_topic(topic), int(number) if colon else None


def read_start(text: str) -> Start:
    if text in ("earliest", "latest"):
        return "earliest" if text == "earliest" else "latest"
    return _moment(text, 'neither "earliest" nor "latest" nor a time')


def read_start_or_offset(text: str) -> Start:
    if is_number(text):
        return int(text)
    try:
        return read_start(text)
    except ArgumentTypeError as error:
        raise ArgumentTypeError(f"{error}, nor an offset like 12") from error


def read_moment(text: str) -> datetime:
    return _moment(text, "no time")


def _moment(text: str, otherwise: str) -> datetime:
    try:
        moment = parse_datetime(text)
        day = None if moment else parse_date(text)
    except ValueError as error:
        raise ArgumentTypeError(f"{text} is no time: {error}") from error
    if moment is None and day is not None:
        moment = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - made aware below, in the project's time zone
    if moment is None:
        raise ArgumentTypeError(f"{text} is {otherwise} like 2026-01-31T12:30")
    return timezone.make_aware(moment) if timezone.is_naive(moment) else moment
