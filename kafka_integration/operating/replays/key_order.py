"""Dead letters that would be replayed before an earlier one of their key."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Length, Substr

from ...dead_letters.operations import UNSETTLED
from ...models import DeadLetter

_Key = tuple[Any, ...]

KEY_BYTES = 200
"""Of a longer key the beginning and the length tell it apart."""


@dataclass(frozen=True, kw_only=True)
class Overtaking:
    """How many would be replayed before an earlier one of their key, and the id of the first that is left behind."""

    count: int = 0
    first_left_behind: int | None = None


def find_overtaking(letters: QuerySet[DeadLetter], states: Collection[str], most: int) -> Overtaking:
    """Those of these, in these states, that have an earlier message of their key that waits too, and isn't among them.

    Of so many of the newest, as those of one key fail one after the other.
    """
    # By its state SQLite would go, and read most of the table for a few.
    mine = {pk: place for pk, state, place in _keys(letters, most) if state in states}
    if not mine:
        return Overtaking()
    waiting = DeadLetter.objects.using(letters.db).filter(state__in=UNSETTLED, pk__lte=max(mine))
    first_of_others: dict[_Key, tuple[int, int]] = {}
    for pk, _, (key, offset) in _keys(waiting, most):
        if pk not in mine:
            first_of_others[key] = min(first_of_others.get(key, (offset, pk)), (offset, pk))
    firsts = [(first_of_others.get(key), offset) for key, offset in mine.values()]
    left_behind = [first[1] for first, offset in firsts if first is not None and first[0] < offset]
    return Overtaking(count=len(left_behind), first_left_behind=min(left_behind, default=None))


def _keys(letters: QuerySet[DeadLetter], most: int) -> Iterator[tuple[int, str, tuple[_Key, int]]]:
    """The newest of these: id, state, and key with the place among those of it; without those of none."""
    beginning = Substr("key", 1, KEY_BYTES, output_field=BinaryField())
    rows = letters.order_by("-pk").annotate(key_start=beginning, key_length=Length("key"))
    columns = ("pk", "state", "offset", "group", "topic", "topic_id", "partition", "key_length", "key_start")
    for pk, state, offset, *place, length, start in rows.values_list(*columns)[:most]:
        if start is not None:
            yield pk, state, ((*place, length, bytes(start)), offset)
