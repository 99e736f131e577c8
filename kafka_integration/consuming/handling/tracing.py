"""Handlers whose attempts have spans, and the spans of messages that failed for good."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...conf.consumers import ConsumerSettings
from ...observing.facts import Fact, Parked, Skipped
from ...observing.observers import Observer
from ...tracing import Tracing
from .loading import Handler


def traced(handler: Handler, settings: ConsumerSettings, tracing: Tracing) -> Handler:
    """The handler, which runs within the span of each attempt: of a message, or of a batch."""
    around = tracing.processing_batch if handler.takes_batch else tracing.processing
    name, group, call, begin = settings.name, settings.consumer_group, handler.call, handler.begin

    def call_traced(argument: Any) -> Any:
        with around(argument, name, group):
            return call(argument)

    if begin is None:
        return replace(handler, call=call_traced)

    async def begin_traced(argument: Any) -> Any:
        with around(argument, name, group):
            return await begin(argument)

    return replace(handler, call=call_traced, begin=begin_traced)


def spans_of(settings: ConsumerSettings, tracing: Tracing) -> Observer:
    """Listens to what becomes of messages in the end."""
    name, group = settings.name, settings.consumer_group

    def note(fact: Fact) -> None:
        if isinstance(fact, Parked | Skipped):
            word = "dead_letter" if isinstance(fact, Parked) else "skip"
            tracing.settled(word, fact.message, name, group, fact.error)

    return note
