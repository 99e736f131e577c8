"""What the dotted path of a serializer or deserializer leads to.

A function of one argument is called with it. One that takes a context too is told topic, field and headers, as
confluent-kafka's own serializers and deserializers are: those of its schema registry come in by this door. And a class,
or a function without arguments, makes such a one.
"""

from __future__ import annotations

import inspect
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from django.utils.module_loading import import_string

from .errors import ConfigurationError
from .headers import Headers

Field = Literal["key", "value"]

EXPECTED = '"text", "json", "bytes" or the dotted path of a function, or of an object that can be called like one'
_CONTEXTS = ("ctx", "context")
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_OF_DATA = (*_POSITIONAL, inspect.Parameter.VAR_POSITIONAL)


@dataclass(frozen=True, slots=True)
class SerializationContext:
    """Where bytes are from, or go to; with the attributes of confluent-kafka's class of this name.

    ``headers`` is a list of pairs; what a serializer appends goes out with the message.
    """

    topic: str
    field: Field
    headers: Headers


class PlacedCodec:
    """A serializer or deserializer that is told where; made at its first use in each process.

    Its HTTP connections, for one, must not be those of a parent process.
    """

    def __init__(self, path: str, make: Callable[[], Any]) -> None:
        self._path = path
        self._make = make
        self._lock = threading.Lock()
        self._made: tuple[int, Callable[[Any, SerializationContext], Any]] | None = None

    def __call__(self, data: Any, context: SerializationContext) -> Any:
        made = self._made
        if made is None or made[0] != os.getpid():
            made = self._make_it()
        return made[1](data, context)

    def _make_it(self) -> tuple[int, Callable[[Any, SerializationContext], Any]]:
        with self._lock:
            if self._made is None or self._made[0] != os.getpid():
                self._made = os.getpid(), _with_context(self._make(), self._path)
            return self._made


@lru_cache(maxsize=64)
def load_codec(path: str) -> Callable[[Any], Any] | PlacedCodec:
    """What stands there; ``ConfigurationError`` where that is nothing to be called with bytes or a value."""
    try:
        found = import_string(path)
    except ImportError as error:
        raise ConfigurationError([f"{path!r} can't be imported ({error}): give {EXPECTED}."]) from error
    if reason := why_no_codec(found):
        raise ConfigurationError([f"{path!r}: {reason}; give {EXPECTED}."])
    if _is_factory(found):
        return PlacedCodec(path, found)
    if _takes_context(found):
        return PlacedCodec(path, lambda: found)
    return found  # type: ignore[no-any-return]  # what it takes and returns is the project's word


def forget_codecs(**_: Any) -> None:
    """Have them made anew, as what makes them may read any setting; a receiver of ``setting_changed``."""
    load_codec.cache_clear()


def why_no_codec(found: Any) -> str | None:
    """What keeps it from being one; None where it can be used."""
    if not callable(found):
        return f"it is {type(found).__name__}, no function"
    if inspect.iscoroutinefunction(found) or inspect.iscoroutinefunction(type(found).__call__):
        return "it is async: give the one that isn't, which is kept off event loops by itself"
    if inspect.isclass(found) and _makes_codecs(found):
        return None if _is_factory(found) else "its class needs arguments: give the path of an object made of it"
    if _parameters_of(found) is None or _is_factory(found) or _takes_context(found) or _takes(found, 1):
        return None
    return "it can't be called with 1 argument (data), nor with 2 (data, context)"


def _with_context(codec: Any, path: str) -> Callable[[Any, SerializationContext], Any]:
    if reason := why_no_codec(codec):
        raise ConfigurationError([f"what {path!r} makes is no serializer or deserializer: {reason}."])
    if _takes_context(codec):
        return codec  # type: ignore[no-any-return]  # as its signature says
    return lambda data, _: codec(data)


def _is_factory(found: Any) -> bool:
    """Whether it is to be called once, for what it returns."""
    parameters = _parameters_of(found)
    if parameters is None or not _takes(found, 0):
        return False
    return _makes_codecs(found) if inspect.isclass(found) else all(each.kind not in _OF_DATA for each in parameters)


def _makes_codecs(cls: type) -> bool:
    """Whether its objects can be called."""
    return any("__call__" in vars(each) for each in cls.__mro__)


def _takes_context(found: Any) -> bool:
    """Whether a second argument is needed, or called so: ``zlib.decompress`` would take one too, for something else."""
    parameters = [each for each in _parameters_of(found) or () if each.kind in _POSITIONAL]
    if inspect.isclass(found) or not _takes(found, 2):
        return False
    return len(parameters) > 1 and (parameters[1].name in _CONTEXTS or not _takes(found, 1))


def _takes(found: Any, count: int) -> bool:
    """Whether it can be called with so many arguments."""
    try:
        inspect.signature(found).bind(*[None] * count)
    except TypeError:
        return False
    return True


def _parameters_of(found: Any) -> list[inspect.Parameter] | None:
    try:
        return list(inspect.signature(found).parameters.values())
    except (TypeError, ValueError):
        return None  # a builtin says nothing of its arguments
