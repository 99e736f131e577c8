"""What the settings name by dotted path: handlers, deserializers, partitioners, exceptions, each imported once."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.utils.module_loading import import_string

from ..codecs import why_no_codec
from ..conf import Examined, Kind, Problem
from ..conf.consumers import ConsumerSettings
from ..conf.problems import sentence
from ..consuming.handling.loading import Handler, batch_refusal, load_handler
from ..errors import HandlerError
from ..sinks import ModelSink
from ..tracing import why_untraceable

ONE_ARGUMENT = ("data",)
MOST_THREADS = 1000
OF_A_STRATEGY = ("topic", "partitions", "key", "value")
DESERIALIZERS = ("key_deserializer", "value_deserializer")
SERIALIZERS = ("key_serializer", "value_serializer")


def find_import_problems(found: Examined) -> list[Problem]:
    """Return what can't be imported, or isn't what it has to be; a consumer that is off is left alone."""
    assert found.settings is not None
    problems: list[Problem] = []
    for name, consumer in found.settings.consumers.items():
        section = found.consumers[name]
        if not consumer.enabled:
            continue
        problems += _handler_problems(consumer, section.path_of("message_handler"))
        for key in DESERIALIZERS:
            problems += _codec_problems(getattr(consumer, key), section.path_of(key))
        for path in consumer.failure_rules:
            problems += _exception_problems(path, f'{section.path_of("failure_rules")}["{path}"]')
    if found.producer is not None:
        producer, section = found.settings.producer, found.producer
        path = section.path_of("partition_strategy")
        problems += _function_problems(producer.partition_strategy, path, OF_A_STRATEGY)
        for key in SERIALIZERS:
            problems += _codec_problems(getattr(producer, key), section.path_of(key))
    if found.settings.tracing and (reason := why_untraceable()):
        problems.append(Problem(kind=Kind.IMPORT, text=f'KAFKA["tracing"] is True, and {reason}.'))
    for raw in found.raw_properties:
        if raw.name == "oauth_cb" and not callable(raw.value):
            problems += _function_problems(raw.value, raw.path)
    return problems


def _handler_problems(consumer: ConsumerSettings, path: str) -> Iterator[Problem]:
    if not consumer.message_handler:
        return
    try:
        handler = load_handler(consumer.message_handler)
    except HandlerError as error:
        yield Problem(kind=Kind.HANDLER, text=f"{path}: {sentence(error)}")
        return
    if handler.takes_batch and consumer.ordering != "partition":
        yield Problem(kind=Kind.HANDLER, text=f"{path}: {sentence(batch_refusal(consumer.ordering, handler.path))}")
    yield from _thread_problems(handler, consumer, path)
    yield from _sink_problems(handler, consumer, path)
    if handler.is_async and consumer.offset_storage == "database" and consumer.concurrency > 1:
        yield Problem(
            kind=Kind.HANDLER,
            text=f'{path} is "{consumer.message_handler}", which is async: with "offset_storage": "database" its '
            f'queries have to run in the transaction of one lane; set "concurrency" to 1 (it is '
            f"{consumer.concurrency}), or write it as a plain function.",
        )


def _thread_problems(handler: Handler, consumer: ConsumerSettings, path: str) -> Iterator[Problem]:
    """Where each message at a time is a thread: of plain handlers, and of async ones in a transaction of ours."""
    if consumer.concurrency <= MOST_THREADS:
        return
    remedy = f"use {MOST_THREADS} at most"
    if handler.is_async:
        # Where the database keeps the offsets, too, one at a time is all there may be.
        if not consumer.deduplicate or consumer.offset_storage == "database":
            return
        remedy += ', or leave out "deduplicate", which has each in a transaction of its thread'
    elif consumer.offset_storage == "kafka" and not consumer.deduplicate:
        remedy += ", or write it as an async function"
    yield Problem(
        kind=Kind.HANDLER,
        text=f'{path} is "{consumer.message_handler}", {"an async" if handler.is_async else "a plain"} function: with '
        f'"concurrency" {consumer.concurrency} each message at a time is a thread; {remedy}.',
    )


def _sink_problems(handler: Handler, consumer: ConsumerSettings, path: str) -> Iterator[Problem]:
    sink = getattr(handler.call, "__self__", None)
    keeps_rows = consumer.offset_storage == "database" or consumer.deduplicate
    if isinstance(sink, ModelSink) and keeps_rows and sink.database != consumer.database:
        yield Problem(
            kind=Kind.HANDLER,
            text=f'{path} is "{consumer.message_handler}", which writes to database "{sink.database}": its rows and '
            f'what the consumer keeps in "{consumer.database}" have to be committed together; set "database" to '
            f'"{sink.database}", or let a database router lead {sink.table} there.',
        )


def _function_problems(name: Any, path: str, arguments: Sequence[str] = ONE_ARGUMENT) -> Iterator[Problem]:
    """Yield why ``name``, where it is a dotted path, leads to no function."""
    if not isinstance(name, str) or "." not in name:
        return
    function, reason = _import(name)
    if reason is None and not callable(function):
        reason = f"it is {type(function).__name__}, no function"
    if reason is None and not _takes(function, arguments):
        count = f"{len(arguments)} argument{'' if len(arguments) == 1 else 's'}"
        reason = f"it can't be called with {count} ({', '.join(arguments)})"
    if reason is not None:
        yield Problem(kind=Kind.IMPORT, text=f'{path} is "{name}": {reason}; give the path of a function.')


def _codec_problems(name: str | None, path: str) -> Iterator[Problem]:
    """Yield why ``name``, where it is a dotted path, leads to no serializer or deserializer; none is made for that."""
    if name is None or "." not in name:
        return
    codec, reason = _import(name)
    if reason is None:
        reason = why_no_codec(codec)
    if reason is not None:
        yield Problem(kind=Kind.IMPORT, text=f'{path} is "{name}": {reason}; give the path of a function.')


def _takes(function: Callable[..., Any], arguments: Sequence[str]) -> bool:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return True  # a builtin says nothing of its arguments
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True


def _exception_problems(name: str, path: str) -> Iterator[Problem]:
    if "." not in name:
        return
    exception, reason = _import(name)
    if reason is None and not (isinstance(exception, type) and issubclass(exception, Exception)):
        reason = "it is no class of exceptions"
    if reason is not None:
        yield Problem(kind=Kind.IMPORT, text=f'{path}: {reason}; give the path of one, like "builtins.ValueError".')


def _import(path: str) -> tuple[Any, str | None]:
    try:
        return import_string(path), None
    except Exception as error:  # noqa: BLE001 - an imported module may raise whatever it likes
        return None, f"it can't be imported ({type(error).__name__}: {error})"
