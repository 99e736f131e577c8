"""``manage.py kafkaevents``: where an event has got to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations
from django.db import DatabaseError
from django.utils import timezone

from ...cells import NONE
from ...conf import get_settings
from ...dead_letters.texts import brief
from ...durations import spoken
from ...local_times import spoken_moment
from ...operating.columns import aligned
from ...operating.events.groups import GroupStep
from ...operating.events.holding import has_in_hand, holder_of
from ...operating.events.journey import Event, Found, as_json, find_event, find_key
from ...operating.events.texts import STATES
from ...operating.groups.owners import Processes, live_processes
from ...operating.standing_texts import standing_text
from ...operating.typed import read_moment, read_text, read_topic
from ...summaries import escaped, shortened
from ..arguments import WRONG_USAGE
from ..interrupts import INTERRUPTED, interruptible
from ..pipes import ShowingCommand
from ..usage import Usage

USAGE = Usage(
    command="kafkaevents",
    examples={
        "7d444840-9dc0-11d1-b245-5ffdce74fad2": "the event with this ce_id, wherever it is",
        "7d444840-9dc0-11d1-b245-5ffdce74fad2 --topic orders --since 2026-01-31": "the same, sooner",
        "--topic orders --key 1042 --json": "all events of a key, for a program",
    },
    statuses={
        0: "it was found",
        1: "there is none in what was looked at; or Kafka or a database can't be asked",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C",
    },
)


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows where an event has got to: the outbox, its topic, and each group that reads it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "event_id", nargs="?", type=read_text, metavar="EVENT_ID", help="its ce_id, which publish() returns"
        )
        parser.add_argument("--topic", type=read_topic, metavar="T", help="in this topic alone")
        parser.add_argument(
            "--key", type=read_text, metavar="K", help="the events of this key, the newest first; needs --topic"
        )
        parser.add_argument(
            "--since", type=read_moment, metavar="TIME", help="written then or later, like 2026-01-31T12:30"
        )
        parser.add_argument("--json", action="store_true", help="one JSON document")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        event_id, topic, key = options["event_id"], options["topic"], options["key"]
        if (event_id is None) == (key is None) or (key is not None and topic is None):
            raise CommandError("Say which: EVENT_ID, or --topic T --key K.", returncode=WRONG_USAGE)
        try:
            with interruptible():
                found = self._find(event_id, topic, key, options)
        except DatabaseError as error:
            raise CommandError(f"outbox and dead letters can't be read: {error}".strip()) from error
        self._show(found, is_list=key is not None, as_document=options["json"])
        for words in found.unseen:
            self.stderr.write(escaped(f"Not looked at: {words}."))
        if not found.events:
            self.stderr.write(escaped(f"Looked at: {_looked(found)}."))
            name = f"event {event_id}" if key is None else f"event with the key {key} in topic {topic}"
            raise CommandError(f"There is no {name}, in no outbox, topic or dead letter that was looked at.")

    def _find(self, event_id: str | None, topic: str | None, key: str | None, options: dict[str, Any]) -> Found:
        settings, since = get_settings(), options["since"]
        if event_id is not None:
            return find_event(settings, event_id, topic=topic, since=since)
        assert topic is not None
        assert key is not None
        return find_key(settings, topic, key.encode(), since=since)

    def _show(self, found: Found, *, is_list: bool, as_document: bool) -> None:
        if as_document:
            documents = [as_json(event) for event in found.events]
            if is_list or documents:
                self.stdout.write(json.dumps(documents if is_list else documents[0], indent=2))
            return
        processes = live_processes(get_settings().operations)
        for event in found.events:
            for line in _lines(event, processes):
                self.stdout.write(escaped(line))


def _looked(found: Found) -> str:
    """By which it can be weighed that nothing was found."""
    spans = [
        f"{topic}[{number}] {first} to before {end}" if first < end else f"{topic}[{number}] nothing"
        for (topic, number), (first, end) in sorted(found.spans.items())
    ]
    outboxes, databases = (", ".join(each) or "no database" for each in (found.outboxes, found.letter_databases))
    topics = shortened(", ".join(spans)) or "no topic"
    return f"outbox of {outboxes}; dead letters of {databases}; {topics}"


def _lines(event: Event, processes: Processes) -> Iterator[str]:
    place = "" if event.offset is None else f"[{event.partition}]@{event.offset}"
    at = "" if event.at is None else f", {spoken_moment(timezone.localtime(event.at))}"
    yield f"{event.topic}{place}  {event.id or 'no event id'}  {STATES[event.state]}{at}"
    if event.refusal:
        yield f"  {brief(event.refusal)}"
    if event.groups:
        rows = [(step.group, _state(step, processes), _letter(step.dead_letter_id)) for step in event.groups]
        yield from (f"  {line}" for line in aligned([("GROUP", "STATE", "DEAD LETTER"), *rows]))


def _state(step: GroupStep, processes: Processes) -> str:
    holder = holder_of(step, processes, get_settings().operations)
    if holder is None:
        return str(STATES[step.state])
    stuck = standing_text(holder.state, None, holder.stuck_offset)
    if has_in_hand(holder, step):
        return f"{STATES['in_hand']}, for {spoken(holder.busy_seconds or 0.0)}: {stuck}"
    return f"{STATES[step.state]}, {stuck}"


def _letter(id: int | None) -> str:
    return NONE if id is None else str(id)
