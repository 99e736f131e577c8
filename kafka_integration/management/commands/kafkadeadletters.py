"""``manage.py kafkadeadletters``: see, replay, discard and purge messages that failed for good."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError, CommandParser, no_translations
from django.db import DatabaseError

from ...conf import get_settings
from ...dead_letters import operations as dead_letters
from ...dead_letters.kinds import COLUMNS as KIND_COLUMNS
from ...dead_letters.kinds import as_json as as_kind_json
from ...dead_letters.kinds import as_row, kinds, name_unnamed
from ...dead_letters.names import FILTERS, find_unknown
from ...dead_letters.operations import Change, Selection
from ...dead_letters.outcomes import outcome_as_json, outcome_as_lines, outcome_of
from ...dead_letters.texts import as_full_json, as_json, as_line, as_page
from ...models import DeadLetter
from ...operating.columns import aligned
from ...operating.typed import read_text
from ...summaries import escaped
from ...tables import unreadable
from ..arguments import WRONG_USAGE, read_count, read_id
from ..interrupts import INTERRUPTED, interruptible
from ..pipes import ShowingCommand
from ..replaying import Replaying, add_replay_arguments
from ..usage import Usage

LONG_FIELDS = ("key", "value", "headers", "reason", "traceback")
FILTER_OPTIONS = ", ".join(f"--{name}" for name in FILTERS)
USAGE = Usage(
    command="kafkadeadletters",
    examples={
        "list --consumer invoices --limit 20": "the newest twenty of a consumer",
        "kinds": "what goes wrong most often",
        "show 4711": "one of them, with its payload and traceback",
        "replay --kind 3f0c9b1f6a2d --dry-run": "what that would do, and who would do it",
        "replay 4711 4712": "have these two handled once more",
        "replay 4711 --wait 60": "the same, and learn what becomes of it",
        "outcome --kind 3f0c9b1f6a2d": "what became of the replays of a kind",
        "replay --kind 3f0c9b1f6a2d --rate 50 --stop-after-failures 10": "many, with care",
        "discard --consumer invoices --topic orders": "give up those of a topic",
        "purge --older-than 30": "delete what was settled a month ago",
    },
    statuses={
        0: "done, or shown",
        1: "there is no such dead letter, or name; some failed again, or nobody took them up, with --rate or --wait; "
        "or a database can't be asked",
        2: "wrong usage",
        INTERRUPTED: "Ctrl-C",
    },
)


def days(text: str) -> float:
    """An argument's type: how many days, fractions too."""
    try:
        number = float(text)
    except ValueError:
        number = -1
    if not 0 <= number <= 1_000_000:
        raise ArgumentTypeError(f"{text!r} is not a number of days from 0 to 1000000")
    return number


class Command(ShowingCommand):
    usage = USAGE
    help = "Shows the messages that failed for good and their kinds, and replays, discards or purges them."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(
            dest="action", required=True, metavar="list|kinds|show|outcome|replay|discard|purge"
        )
        listing = self._action(actions, "list", "list those that wait for somebody, the newest first")
        self._add_filters(listing)
        listing.add_argument("--state", choices=[*DeadLetter.State.values, "all"], help="those in this state instead")
        listing.add_argument("--limit", type=read_count, metavar="N", help="at most the N newest of all databases")
        self._action(
            actions, "kinds", "group those that wait for somebody by consumer, exception and place in the code"
        )
        showing = self._action(actions, "show", "show one with its payload and traceback")
        showing.add_argument("ids", type=read_id, nargs=1, metavar="ID")
        for name, text in (
            ("outcome", "say what became of their replays"),
            ("replay", "have the running consumers of their groups handle them once more"),
            ("discard", "give them up; they can be had back by replay ID until they are purged"),
        ):
            action = self._action(actions, name, text)
            action.add_argument("ids", type=read_id, nargs="*", metavar="ID")
            self._add_filters(action)
            whose = "all, in any state" if name == "outcome" else "all that wait for somebody"
            action.add_argument("--all", action="store_true", help=whose)
            if name == "replay":
                add_replay_arguments(action)
        purging = self._action(actions, "purge", "delete those that were handled or discarded long ago")
        purging.add_argument(
            "--older-than",
            type=days,
            metavar="DAYS",
            help='settled more than DAYS days ago (default: KAFKA["dead_letter_retention_days"])',
        )

    def _action(self, actions: Any, name: str, text: str) -> CommandParser:
        parser = USAGE.add_action(actions, name, text)
        parser.add_argument("--json", action="store_true", help="print one JSON document")
        parser.add_argument("--database", metavar="ALIAS", help="in this database only")
        return parser

    def _add_filters(self, parser: CommandParser) -> None:
        for name in FILTERS:
            parser.add_argument(f"--{name}", type=read_text, metavar="NAME", help=f"those of this {name}")

    @no_translations
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            databases = self._databases(options["database"])
            with interruptible():
                getattr(self, f"_{options['action']}")(databases, options)
        except DatabaseError as error:
            raise CommandError(unreadable("the table of dead letters", error)) from error

    def _list(self, databases: list[str], options: dict[str, Any]) -> None:
        state = options["state"]
        states = () if state == "all" else (state,) if state else dead_letters.UNSETTLED
        selection = _selection(options, states=states)
        _require_known(selection, databases)
        if options["json"]:
            self._write_list(as_json(letter) for letter in dead_letters.newest(selection, databases, options["limit"]))
            return
        count = 0
        for letter in dead_letters.newest(selection, databases, options["limit"], without=LONG_FIELDS):
            count += 1
            self.stdout.write(as_line(letter, names_database=len(databases) > 1))
        if not count:
            self.stderr.write("No dead letters.")

    def _kinds(self, databases: list[str], options: dict[str, Any]) -> None:
        found = kinds(databases)
        if options["json"]:
            self.stdout.write(json.dumps([as_kind_json(kind) for kind in found], indent=2))
        elif found:
            self.stdout.write("\n".join(aligned([KIND_COLUMNS, *map(as_row, found)], right=(1,))))
        else:
            self.stderr.write("No dead letters.")

    def _show(self, databases: list[str], options: dict[str, Any]) -> None:
        selection, database = _selection(options), _only(databases)
        dead_letters.require_all(selection, database)
        letter = selection.of(database).get()
        if options["json"]:
            self.stdout.write(json.dumps(as_full_json(letter), indent=2))
            return
        for line in as_page(letter):
            self.stdout.write(line)

    def _outcome(self, databases: list[str], options: dict[str, Any]) -> None:
        selection, databases = self._chosen(databases, options, states=())
        outcome = outcome_of(selection, databases)
        if options["json"]:
            self.stdout.write(json.dumps(outcome_as_json(outcome), indent=2))
            return
        for line in outcome_as_lines(outcome):
            self.stdout.write(line)

    def _replay(self, databases: list[str], options: dict[str, Any]) -> None:
        selection, databases = self._chosen(databases, options)
        Replaying(
            selection=selection, databases=databases, stdout=self.stdout, stderr=self.stderr, as_json=options["json"]
        ).run(options, lambda changes, what: self._report(options, changes, what))

    def _discard(self, databases: list[str], options: dict[str, Any]) -> None:
        selection, databases = self._chosen(databases, options)
        self._report(options, [dead_letters.discard(selection, database) for database in databases], "discarded")

    def _purge(self, databases: list[str], options: dict[str, Any]) -> None:
        older_than = options["older_than"]
        if older_than is None:
            older_than = get_settings().dead_letter_retention_days
        if older_than is None:
            raise CommandError(
                'Say --older-than DAYS, or set KAFKA["dead_letter_retention_days"].', returncode=WRONG_USAGE
            )
        deleted = sum(dead_letters.purge(database, older_than) for database in databases)
        self.stdout.write(json.dumps({"deleted": deleted}) if options["json"] else f"{deleted} deleted.")

    def _chosen(
        self, databases: list[str], options: dict[str, Any], *, states: Iterable[str] = dead_letters.UNSETTLED
    ) -> tuple[Selection, list[str]]:
        selection = _selection(options, states=() if options["ids"] else states)
        filters = [name for name in FILTERS if options[name] is not None]
        if options["ids"]:
            if options["all"] or filters:
                raise CommandError(f"Give either ids, or --all, {FILTER_OPTIONS}.", returncode=WRONG_USAGE)
            databases = [_only(databases)]
            dead_letters.require_all(selection, databases[0])
        elif not options["all"] and not filters:
            raise CommandError(f"Say which: ids, {FILTER_OPTIONS}, or --all.", returncode=WRONG_USAGE)
        if selection.kind is not None:
            # Those that an earlier version wrote have none before somebody asks.
            for database in databases:
                name_unnamed(database)
        _require_known(selection, databases)
        return selection, databases

    def _report(self, options: dict[str, Any], changes: list[Change], what: str) -> None:
        changed, left_alone = sum(c.changed for c in changes), sum(c.left_alone for c in changes)
        if options["json"]:
            ids = [id for change in changes for id in change.changed_ids]
            self.stdout.write(json.dumps({"changed": changed, "left_alone": left_alone, "ids": ids}))
            return
        self.stdout.write(f"{changed} {what}.")
        if left_alone:
            self.stderr.write(f"{left_alone} left alone: settled or asked for already, or being replayed just now.")

    def _databases(self, alias: str | None) -> list[str]:
        known = dead_letters.databases()
        if alias is None:
            return known
        if alias not in known:
            raise CommandError(f'No consumer keeps dead letters in database "{alias}", only in: {", ".join(known)}.')
        return [alias]

    def _write_list(self, items: Iterable[dict[str, Any]]) -> None:
        # One at a time: payloads may be large, and many.
        before = "["
        for item in items:
            self.stdout.write(before + json.dumps(item), ending="\n")
            before = ","
        self.stdout.write("[]" if before == "[" else "]")


def _selection(options: dict[str, Any], states: Iterable[str] = ()) -> Selection:
    return Selection(
        ids=options.get("ids") or None,
        states=tuple(states),
        consumer=options.get("consumer"),
        group=options.get("group"),
        topic=options.get("topic"),
        kind=options.get("kind"),
    )


def _require_known(selection: Selection, databases: list[str]) -> None:
    if unknown := find_unknown(selection, databases):
        raise CommandError(escaped(unknown))


def _only(databases: list[str]) -> str:
    if len(databases) > 1:
        raise CommandError(
            f"Dead letters are kept in several databases, where ids repeat: add --database {' or '.join(databases)}.",
            returncode=WRONG_USAGE,
        )
    return databases[0]
