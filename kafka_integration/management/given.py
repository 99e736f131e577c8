"""What a program gives a command by name, which ``call_command`` takes past the command's parser."""

from __future__ import annotations

from argparse import Action, ArgumentError, ArgumentParser, _SubParsersAction
from collections.abc import Iterator, Mapping
from typing import Any


def as_typed(parser: ArgumentParser, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options as the parser reads them; its own error for what it would refuse."""
    given = {action.dest: action for action in _actions(parser, options) if options.get(action.dest) is not None}
    try:
        return {**options, **{name: _read(parser, action, options[name]) for name, action in given.items()}}
    except ArgumentError as error:
        parser.error(str(error))


def _actions(parser: ArgumentParser, options: Mapping[str, Any]) -> Iterator[Action]:
    for action in parser._actions:
        if isinstance(action, _SubParsersAction):
            yield from _actions(action.choices[options[action.dest]], options)
        elif action.type is not None or action.choices is not None:
            yield action


def _read(parser: ArgumentParser, action: Action, value: Any) -> Any:
    if isinstance(value, list):
        return [_read(parser, action, each) for each in value]
    # What is none of these was read already, or is what reading it would make.
    if isinstance(value, str | int | float):
        value = parser._get_value(action, str(value))
    parser._check_value(action, value)
    return value
