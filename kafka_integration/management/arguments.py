"""Types of the commands' arguments: what doesn't fit is wrong usage, and the argument parser says so."""

from __future__ import annotations

from argparse import ArgumentTypeError

from ..topic_names import topic_name_problem

MOST_DIGITS = 18
"""As many as a bigint may have."""


def read_topic(text: str) -> str:
    if problem := topic_name_problem(text):
        raise ArgumentTypeError(problem)
    return text


def read_count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > MOST_DIGITS or int(text) < 1:
        raise ArgumentTypeError(f"{text} is no number of messages: give 1 or more")
    return int(text)
