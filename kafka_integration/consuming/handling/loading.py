"""Finding a consumer's handler and calling it: three shapes, each also ``async def``."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from asgiref.sync import async_to_sync
from django.utils.module_loading import import_string

from ...errors import HandlerError

REMEDY = (
    "give the dotted path of a function taking one message, or of a module or class with "
    "handle_message(message) or handle_messages(messages)"
)


@dataclass(frozen=True, kw_only=True)
class Handler:
    """A loaded ``message_handler``: ``call`` takes one message, or a list of them if ``takes_batch``."""

    path: str
    call: Callable[[Any], Any]
    """In a thread that may wait for it."""
    takes_batch: bool
    begin: Callable[[Any], Awaitable[Any]] | None = None
    """The same on an event loop; None where the handler isn't ``async``."""

    @property
    def is_async(self) -> bool:
        return self.begin is not None


def load_handler(path: str) -> Handler:
    """The handler at a dotted path; a class is instantiated once, without arguments.

    Raises ``HandlerError`` with the reason if it can't be imported or has none of the three shapes.
    """
    target = _import(path)
    if inspect.isclass(target):
        try:
            target = target()
        except HandlerError:
            raise
        except Exception as error:
            raise HandlerError(f"{path} can't be instantiated without arguments: {error!r}") from error
    takes_one, takes_many = (getattr(target, name, None) for name in ("handle_message", "handle_messages"))
    if takes_one and takes_many:
        raise HandlerError(f"{path} has both handle_message and handle_messages: keep one of them")
    function = takes_many or takes_one or (None if inspect.ismodule(target) else target)
    if not callable(function):
        raise HandlerError(f"{path} is no handler: {REMEDY}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise HandlerError(f"{path} is a generator, of which a call runs nothing: write it without yield")
    _require_one_argument(path, function)
    if not _is_async(function):
        return Handler(path=path, call=function, takes_batch=bool(takes_many))
    return Handler(path=path, call=async_to_sync(function), takes_batch=bool(takes_many), begin=function)


def batch_refusal(ordering: str, path: str) -> str:
    """Why a batch handler can't be used where messages are handled side by side."""
    return (
        f'{path} takes batches, but under "ordering": "{ordering}" messages are handled side by side, each on its own: '
        f'write handle_message(message), or use "ordering": "partition"'
    )


def _import(path: str) -> Any:
    try:
        return import_string(path)
    except ImportError as error:
        try:
            return import_module(path)
        except ModuleNotFoundError as missing:
            # The path itself is missing, or something that it imports: the developer needs to know which.
            if missing.name and not (path == missing.name or path.startswith(f"{missing.name}.")):
                raise HandlerError(f"{path} can't be imported: {missing}") from missing
            raise HandlerError(f"{path} can't be imported: {error}; {REMEDY}") from error
        except Exception as broken:
            raise HandlerError(f"{path} can't be imported: {broken!r}") from broken
    except Exception as broken:
        raise HandlerError(f"{path} can't be imported: {broken!r}") from broken


def _require_one_argument(path: str, function: Callable[..., Any]) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # a builtin such as print says nothing of its arguments
    try:
        signature.bind(object())
    except TypeError as error:
        raise HandlerError(f"{path} has to take exactly one argument, the message or the messages: {error}") from error


def _is_async(function: Any) -> bool:
    if inspect.iscoroutinefunction(function):
        return True
    return not inspect.isroutine(function) and inspect.iscoroutinefunction(type(function).__call__)
