"""What the pages of dead letters say of replays: what one would do, before it is done, and what became of others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest

from ..conf import get_settings
from ..dead_letters.operations import REPLAYABLE
from ..dead_letters.standings import NO_REPLAY, Standing, standings_of_last_settled
from ..models import DeadLetter
from ..operating.replays.previewing import Part, Preview, preview
from ..operating.replays.texts import sentences_of, why_waiting
from . import bounded
from .bounded import AtLeast
from .dead_letter_filters import NARROWING
from .operated import is_across


def preview_of(letters: QuerySet[DeadLetter], states: Collection[str] = REPLAYABLE) -> dict[str, Any]:
    """What a template shows of a replay of these."""
    return _shown(_look_at(letters, states))


def replays_of_list(request: HttpRequest, changelist: ChangeList) -> dict[str, Any]:
    """The same for all of a list that is narrowed to few, mostly; of a kind what became of earlier ones too.

    A search has no index: nobody waits for it twice.
    """
    kind = request.GET.get("kind")
    if changelist.query or not any(request.GET.get(name) for name in NARROWING):
        return {}
    # Where there are few they are known by their ids.
    letters: Any = changelist.paginator.object_list
    found = _look_at(letters, (DeadLetter.State.PARKED,))
    shown = _shown(found) if found.count else {}
    return {**shown, **_outcome(found, letters.db, kind)} if kind else shown


def preview_of_action(request: HttpRequest, letters: QuerySet[DeadLetter], action: str) -> dict[str, Any]:
    """The same for those that somebody selected, with what has to be sent to have it done."""
    across = is_across(request)
    selected = request.POST.getlist(ACTION_CHECKBOX_NAME)
    return {
        **preview_of(letters, (DeadLetter.State.PARKED,) if across else REPLAYABLE),
        "sent": [
            ("action", action),
            ("select_across", "1" if across else "0"),
            ("index", "0"),
            *((ACTION_CHECKBOX_NAME, id) for id in selected),
        ],
    }


def why_it_waits(letter: DeadLetter) -> str:
    """Why nobody has taken up the replay of this one yet, as far as it is known."""
    found = preview([Part(letters=DeadLetter.objects.using(letter._state.db).filter(pk=letter.pk))], get_settings())
    return " ".join(sentence for taker in found.takers for sentence in why_waiting(taker))


def _look_at(letters: QuerySet[DeadLetter], states: Collection[str]) -> Preview:
    return preview([Part(letters=letters, states=states)], get_settings(), most=bounded.MOST_LOOKED_AT)


def _shown(found: Preview) -> dict[str, Any]:
    return {
        "replay_targets": found.targets,
        "replay_sentences": [*sentences_of(found)],
        "replay_looked_at": bounded.MOST_LOOKED_AT if found.is_part else None,
    }


def _outcome(found: Preview, database: str, kind: str) -> dict[str, Any]:
    """What became of the replays of a kind: of those that wait, and of those that were settled last."""
    most = bounded.MOST_LOOKED_AT
    counts = Counter(found.standings) + standings_of_last_settled(database, kind, most)
    told = [(each.label, counts[each]) for each in Standing if each not in NO_REPLAY and counts[each]]
    if found.is_part:
        told = [(label, AtLeast(count)) for label, count in told]
    return {"replay_outcome": told, "replay_settled": most}
