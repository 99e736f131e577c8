"""Readers of single values: each takes what the settings hold and returns what the code sees, or raises ``Invalid``."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.conf import settings

from ..topic_names import is_pattern, topic_name_problem, topic_pattern_problem
from .frozen import FrozenMapping
from .problems import Kind, shown

T = TypeVar("T")
Reader = Callable[[Any], T]

_DOTTED_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)+")


class Invalid(Exception):  # noqa: N818 - never leaves this package; becomes a Problem
    """A value that can't be used; the text says what would be right."""

    def __init__(self, remedy: str, *, kind: Kind = Kind.VALUE) -> None:
        self.kind = kind
        super().__init__(remedy)


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Invalid("use True or False")
    return value


def text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Invalid("use a str that isn't empty")
    if problem := cut_problem(value):
        raise Invalid(problem)
    return value


def cut_problem(value: str) -> str | None:
    """Return why librdkafka or a file system would not have all of a text; None where it would."""
    if "\x00" in value:
        return "it holds a NUL character: take it out"
    if any("\ud800" <= character <= "\udfff" for character in value):
        return "it holds a lone surrogate, as an environment variable does that isn't UTF-8: give it in UTF-8"
    return None


def text_up_to(characters: int) -> Reader[str]:
    """What a column of the database has to hold."""

    def read(value: Any) -> str:
        if len(text(value)) > characters:
            raise Invalid(f"use at most {characters} characters")
        return text(value)

    return read


def integer(minimum: int, maximum: int = 2**31 - 1) -> Reader[int]:
    def read(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not minimum <= value <= maximum:
            raise Invalid(f"use a whole number from {minimum} to {maximum}")
        return value

    return read


def number(minimum: float, maximum: float = 10**9) -> Reader[float]:
    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not minimum <= value <= maximum:
            raise Invalid(f"use a number from {minimum:g} to {maximum:g}")
        return value if math.isfinite(value) else minimum

    return read


def optional(reader: Reader[T]) -> Reader[T | None]:
    """None is a value too."""

    def read(value: Any) -> T | None:
        if value is None:
            return None
        try:
            return reader(value)
        except Invalid as invalid:
            raise Invalid(f"{invalid}, or None", kind=invalid.kind) from None

    return read


def choice(*names: Any, **also: Any) -> Reader[Any]:
    """One of ``names``; ``also`` maps other people's words for the same to ours."""

    def read(value: Any) -> Any:
        if isinstance(value, str) and value in also:
            return also[value]
        if isinstance(value, bool) or not isinstance(value, str | int) or value not in names:
            raise Invalid(f"use one of {', '.join(quoted(name) for name in names)}")
        return value

    return read


def named_or_path(*names: str) -> Reader[str]:
    """One of ``names``, or the dotted path of a function."""

    def read(value: Any) -> str:
        if isinstance(value, str) and (value in names or _DOTTED_PATH.fullmatch(value)):
            return value
        raise Invalid(f"use {', '.join(quoted(name) for name in names)}, or the dotted path of a function")

    return read


def dotted_path(value: Any) -> str:
    if not isinstance(value, str) or not _DOTTED_PATH.fullmatch(value):
        raise Invalid('use a dotted path as a str, like "shop.handlers.orders"')
    return value


def topic_name(value: Any) -> str:
    if problem := topic_name_problem(value):
        raise Invalid(problem, kind=Kind.TOPIC_NAME)
    return str(value)


def topic_or_pattern(value: Any) -> str:
    if not isinstance(value, str) or not is_pattern(value):
        return topic_name(value)
    if problem := topic_pattern_problem(value):
        raise Invalid(problem, kind=Kind.TOPIC_NAME)
    return value


def mapping(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise Invalid("use a dict")
    return FrozenMapping(value)


def database_aliases(value: Any) -> Mapping[str, str]:
    names = [*mapping(value).keys(), *value.values()]
    if unknown := [name for name in names if not isinstance(name, str) or name not in settings.DATABASES]:
        raise Invalid(f"{shown(unknown[0])} is not in settings.DATABASES", kind=Kind.DATABASE)
    return FrozenMapping(dict(value))


def path_or_pem(value: Any) -> str:
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if not isinstance(value, str) or not value.strip():
        raise Invalid("use the path of a file, or the PEM text itself", kind=Kind.SECURITY)
    if problem := cut_problem(value):
        raise Invalid(problem, kind=Kind.SECURITY)
    return value


def quoted(name: object) -> str:
    return f'"{name}"' if isinstance(name, str) else str(name)
