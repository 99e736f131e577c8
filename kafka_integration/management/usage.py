"""What stands below the options of a command's ``--help``: examples, and what its exit statuses mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    SystemCheckError,
)

from ..errors import KafkaIntegrationError
from ..summaries import escaped
from .given import as_typed


class UsageFormatter(DjangoHelpFormatter):
    """Leaves a text of several lines as it is."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Of a command: what somebody may type after its name, with what that is for, and what it exits with."""

    command: str
    examples: Mapping[str, str]
    statuses: Mapping[int, str]

    def of_parser(self, action: str = "") -> dict[str, Any]:
        """What a parser has to be made with to say this in its help: all of it, or what is of an action."""
        return {"formatter_class": UsageFormatter, "epilog": "\n".join(self._lines(action))}

    def add_action(self, actions: Any, name: str, text: str) -> CommandParser:
        """The parser of an action, whose help says the same of it alone."""
        parser: CommandParser = actions.add_parser(
            name, help=text, description=f"{text[0].upper()}{text[1:]}.", **self.of_parser(name)
        )
        return parser

    def _lines(self, action: str) -> list[str]:
        chosen = {typed: text for typed, text in self.examples.items() if typed.startswith(action)}
        examples = [
            line for typed, text in chosen.items() for line in (f"  # {text}", f"  manage.py {self.command} {typed}")
        ]
        statuses = [f"  {status:<4} {text}" for status, text in self.statuses.items()]
        return ["examples:", *map(str.rstrip, examples), "", "exit status:", *statuses]


class ExplainedCommand(BaseCommand):
    """A command whose help ends with its usage, and whose options are checked however they are given.

    An error of ours ends it with a line that steers no terminal.
    """

    usage: Usage

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(prog_name, subcommand, **{**self.usage.of_parser(), **kwargs})

    def execute(self, *args: Any, **options: Any) -> str | None:
        parser = self.create_parser("manage.py", self.usage.command)
        try:
            return super().execute(*args, **as_typed(parser, options))
        except SystemCheckError:
            raise  # Django's own, and in colours.
        except CommandError as error:
            raise CommandError(_harmless(error), returncode=error.returncode) from error
        except KafkaIntegrationError as error:
            raise CommandError(_harmless(error)) from error


def _harmless(error: Exception) -> str:
    # Brokers, databases and settings repeat what somebody wrote.
    return escaped(str(error), keep="\n")
