"""A preview of a replay in sentences, for pages and for the command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ...dead_letters.standings import Standing
from ...summaries import names_of_partitions, shortened
from .previewing import Preview
from .takers import Effects, Taker


def sentences_of(preview: Preview) -> Iterator[str]:
    """What there is to be known before; the number of those that would be replayed first."""
    count = preview.count
    text = ngettext(
        "%(count)d would be handed to its handler once more.",
        "%(count)d would be handed to their handler once more.",
        count,
    )
    yield text % {"count": count}
    yield from _standings(preview)
    if preview.overtaking:
        text = ngettext(
            "%(count)d comes after another dead letter of its key that would be left behind, first %(id)d.",
            "%(count)d come after another dead letter of their key that would be left behind, first %(id)d.",
            preview.overtaking,
        )
        yield text % {"count": preview.overtaking, "id": preview.first_left_behind}
    if any(taker.settings is not None and taker.settings.ordering != "none" for taker in preview.takers):
        yield _("Messages of the same key that came later may have been handled since.")
    for taker in preview.takers:
        yield from _who(taker)
        yield from why_waiting(taker)
        yield from _effects(taker)


def why_waiting(taker: Taker) -> Iterator[str]:
    """Why replays aren't taken up now, as far as it is known; nothing of those that are."""
    if taker.settings is None:
        text = _("Nobody takes replays up: no consumer of the settings has group %(group)s and this database.")
        yield text % {"group": taker.group}
    elif taker.processes is None:
        text = _("Whether consumer %(name)s runs isn't known: its processes write no rows.")
        yield text % {"name": taker.settings.name}
    elif not taker.processes:
        text = _("No process runs consumer %(name)s now: replays wait until one does (manage.py runconsumer).")
        yield text % {"name": taker.settings.name}
    if taker.paused:
        text = _("Paused, so that replays wait until they are resumed: %(partitions)s.")
        yield text % {"partitions": _names(taker.paused)}
    if taker.unowned:
        text = _("None of its processes owns %(partitions)s just now: replays of these wait for an owner.")
        yield text % {"partitions": _names(taker.unowned)}


def _standings(preview: Preview) -> Iterator[str]:
    counts = preview.standings
    if count := counts.get(Standing.FAILED_AGAIN, 0):
        text = ngettext("%(count)d failed in an earlier replay.", "%(count)d failed in an earlier replay.", count)
        yield text % {"count": count}
    if count := counts.get(Standing.REQUESTED, 0):
        text = ngettext("%(count)d is asked for already.", "%(count)d are asked for already.", count)
        yield text % {"count": count}
    if count := counts.get(Standing.BEING_REPLAYED, 0) + counts.get(Standing.POSTPONED, 0):
        text = ngettext(
            "%(count)d is in a handler's hands just now, or waits for what its handler needs.",
            "%(count)d are in handlers' hands just now, or wait for what their handler needs.",
            count,
        )
        yield text % {"count": count}
    settled = (Standing.HANDLED, Standing.SKIPPED, Standing.DISCARDED)
    if count := sum(counts.get(standing, 0) for standing in settled):
        text = ngettext(
            "%(count)d was handled by a replay, or discarded, before.",
            "%(count)d were handled by a replay, or discarded, before.",
            count,
        )
        yield text % {"count": count}


def _who(taker: Taker) -> Iterator[str]:
    if taker.settings is not None and taker.processes and not taker.is_all_waiting:
        text = ngettext(
            "Consumer %(name)s runs in %(count)d process, which takes them up within seconds.",
            "Consumer %(name)s runs in %(count)d processes, which take them up within seconds.",
            len(taker.processes),
        )
        yield text % {"name": taker.settings.name, "count": len(taker.processes)}


def _effects(taker: Taker) -> Iterator[str]:
    if taker.effects == Effects.ONCE:
        text = _(
            "Effects in database “%(database)s” are protected: they and the dead letter's new state are one "
            "transaction, and take place once. What the handler does elsewhere isn't known, and may happen again."
        )
        yield text % {"database": taker.database}
    elif taker.effects == Effects.AT_LEAST_ONCE:
        yield _(
            "Effects are not protected: what failed attempts did before they failed stays, and a worker that dies "
            "before it notes the success leaves the message to be handled again."
        )
    sink = taker.sink
    if sink is not None and sink.version_field is not None:
        yield _("Its handler is a sink with a version: an older message never overwrites a newer row.")
    elif sink is not None:
        yield _(
            "Its handler is a sink without a version: a row would be as this message says, also where a newer one "
            "has written it since."
        )
    elif taker.effects == Effects.AT_LEAST_ONCE:
        yield _("Whether its handler bears a repeat isn't known.")


def _names(places: Iterable[tuple[str, int]]) -> str:
    return shortened(names_of_partitions(places))
