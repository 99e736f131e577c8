"""Replays in the admin: what one would do before anything is done, and what became of others."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from kafka_integration.admin import bounded
from kafka_integration.models import DeadLetter
from tests.dead_letters import make_letter, make_letters
from tests.steps import steps_of, take_statistics
from tests.unit.consumers import consumer_settings
from tests.unit.test_dead_letters_admin import LIST, State, client_of, page_of, text_of, url_to

pytestmark = pytest.mark.django_db

WOULD = "What a replay would do"
BECAME = "What became of replays"


@pytest.fixture(autouse=True)
def _configured(settings):
    settings.KAFKA = consumer_settings()


def letter(**fields):
    return make_letter(**{"consumer": "c", "group": "group", "topic": "events", **fields})


def select(client, action, *letters, url=LIST, **more):
    data = {"action": action, "_selected_action": [each.pk for each in letters], "preview": "1", **more}
    return client.post(url, data)


def inputs_of(page):
    form = page.rpartition("<form")[2]
    pairs = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return {name: [value for other, value in pairs if other == name] for name, _ in pairs}


def test_beside_its_button_stands_what_a_replay_would_do():
    parked, handled = letter(), letter(state=State.HANDLED)
    client = client_of("view", "replay")

    page = text_of(client.get(page_of(parked)))

    assert WOULD in page
    assert "1 would be handed to its handler once more." in page
    assert "No process runs consumer c now" in page
    assert "Effects are not protected" in page
    assert url_to("replay", parked) in page
    assert WOULD not in text_of(client.get(page_of(handled)))
    assert WOULD not in text_of(client_of("view").get(page_of(parked)))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"replayed_at": Now(), "reason": "no stock"}, "failed again in a replay"),
        ({"state": State.REPLAY}, "replay requested, not taken up yet"),
        ({"state": State.REPLAY, "is_taken": True}, "in a handler&#x27;s hands"),
        ({"state": State.REPLAY, "leased_until": Now() + timedelta(minutes=1)}, "waits for what its handler needs"),
        ({"state": State.HANDLED, "replayed_at": Now()}, "handled by a replay"),
        ({"state": State.DISCARDED, "replayed_at": Now(), "settled_at": Now()}, "skipped by its handler in a replay"),
    ],
)
def test_its_page_says_what_became_of_its_replay(fields, said):
    replayed = letter(**fields)
    if "settled_at" in fields:
        # Of one statement, as a consumer writes them.
        DeadLetter.objects.filter(pk=replayed.pk).update(replayed_at=Now(), settled_at=Now())

    page = text_of(client_of("view").get(page_of(replayed)))
    (outcome,) = re.findall(r'field-outcome.*?class="readonly">(.*?)</div>', page, re.DOTALL)

    assert said in outcome
    assert ("no stock" in outcome) == ("reason" in fields)


def test_its_page_says_why_its_replay_was_not_taken_up_yet():
    page = text_of(client_of("view").get(page_of(letter(state=State.REPLAY))))

    assert "No process runs consumer c now: replays wait until one does" in page


def test_after_a_replay_of_kinds_there_are_links_to_what_became_of_it():
    letters = [letter(kind="aaaa"), letter(kind="bbbb", exception="shop.<Lost>")]
    client = client_of("view", "replay")
    data = {"action": "replay_kind_selected", "_selected_action": [each.pk for each in letters]}

    page = text_of(client.post(LIST, data, follow=True))
    DeadLetter.objects.update(state=State.HANDLED, settled_at=Now(), replayed_at=Now())
    links = re.findall(rf'<a href="({LIST}\?kind=\w+)">([^<]*)</a>', page.partition("What became of replays: ")[2])

    assert [url for url, _ in links[:2]] == [f"{LIST}?kind=bbbb", f"{LIST}?kind=aaaa"]
    assert links[0][1].startswith("&lt;Lost&gt; · ")
    assert "1 handled by a replay" in text_of(client.get(links[0][0]))


def test_one_that_was_never_replayed_has_no_outcome():
    page = text_of(client_of("view").get(page_of(letter())))

    assert re.search(r'field-outcome.*?class="readonly">-</div>', page, re.DOTALL)


def test_of_a_kind_stands_what_a_replay_would_do_and_what_became_of_others():
    for _ in range(3):
        letter(kind="aaaa", partition=1)
    letter(kind="aaaa", replayed_at=Now())
    letter(kind="aaaa", state=State.REPLAY)
    letter(kind="aaaa", state=State.HANDLED, replayed_at=Now())
    letter(kind="bbbb", state=State.HANDLED, replayed_at=Now())
    client = client_of("view", "replay")

    page, everything = text_of(client.get(LIST, {"kind": "aaaa"})), text_of(client.get(LIST))

    assert "4 would be handed to their handler once more." in page
    assert "events[0-1]" in page
    assert "1 is asked for already." in page
    section = page.partition(BECAME)[2].partition("</ul>")[0]
    assert re.findall(r"<li>(.*?)</li>", section) == [
        "1 failed again in a replay", "1 replay requested, not taken up yet", "1 handled by a replay",
    ]  # fmt: skip
    assert "failed again in a replay<span" in everything
    assert WOULD not in everything


def test_whoever_may_not_replay_is_told_nothing_of_replays():
    letter(kind="aaaa", state=State.REPLAY)

    page = text_of(client_of("view").get(LIST, {"kind": "aaaa"}))

    assert WOULD not in page
    assert "Preview of a replay" not in page


def test_a_selection_is_previewed_before_it_is_replayed_by_the_same_post():
    first, second, other = letter(), letter(state=State.DISCARDED), letter()
    client = client_of("view", "replay")

    page = text_of(select(client, "replay_selected", first, second, url=f"{LIST}?state=all"))
    before = list(DeadLetter.objects.order_by("pk").values_list("state", flat=True))
    client.post(f"{LIST}?state=all", inputs_of(page))

    assert "2 would be handed to their handler once more." in page
    assert before == [State.PARKED, State.DISCARDED, State.PARKED]
    assert list(DeadLetter.objects.order_by("pk").values_list("state", flat=True)) == [
        State.REPLAY, State.REPLAY, State.PARKED,
    ]  # fmt: skip
    assert other.state == State.PARKED


def test_all_of_a_filter_are_previewed_as_they_would_be_replayed():
    letters = [letter(), letter(), letter(topic="clicks")]
    letter(state=State.DISCARDED)
    client = client_of("view", "replay")

    page = text_of(
        select(client, "replay_selected", letters[0], url=f"{LIST}?state=all&topic=events", select_across="1")
    )
    client.post(f"{LIST}?state=all&topic=events", inputs_of(page))

    assert "2 would be handed to their handler once more." in page
    assert DeadLetter.objects.filter(state=State.REPLAY).count() == 2


def test_the_kinds_of_a_selection_are_previewed_whole():
    letters = [letter(kind="aaaa"), letter(kind="aaaa"), letter(kind="bbbb")]

    page = text_of(select(client_of("view", "replay"), "replay_kind_selected", letters[0]))

    assert "2 would be handed to their handler once more." in page


def test_the_button_for_a_preview_does_nothing_with_another_action():
    parked = letter()
    client = client_of("view", "replay", "discard")

    response = select(client, "discard_selected", parked)

    assert response.status_code == 302
    assert "only replays have a preview" in text_of(client.get(LIST))
    assert list(DeadLetter.objects.values_list("state", flat=True)) == [State.PARKED]


def test_a_preview_needs_the_permission_to_replay():
    assert select(client_of("view"), "replay_selected", letter()).status_code == 403


def test_of_more_than_can_be_looked_at_in_a_moment_the_newest_are(monkeypatch):
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 2)
    for _ in range(3):
        letter(kind="aaaa")

    page = text_of(client_of("view", "replay").get(LIST, {"kind": "aaaa"}))

    assert "2 would be handed to their handler once more." in page
    assert "Of the newest 2:" in page


@pytest.mark.parametrize("asked", [{"kind": "aaaa"}, {"consumer": "c"}])
def test_a_list_with_a_preview_asks_at_most_fifteen_times(asked):
    make_letters(50, consumer="c", group="group", topic="events", kind="aaaa")
    client = client_of("view", "replay", "discard", "purge")
    client.get(LIST)

    with CaptureQueriesContext(connection) as queries:
        page = text_of(client.get(LIST, asked))

    assert WOULD in page
    assert len(queries) <= 15, "\n".join(query["sql"] for query in queries)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["aaaa", "bbbb"])
def test_a_preview_costs_the_same_however_many_there_are_of_its_kind_or_of_others(monkeypatch, kind):
    if kind == "bbbb" and connection.vendor == "postgresql":
        pytest.skip("PostgreSQL takes kinds for evenly spread, and reads newer ones of another first, as for the list")
    monkeypatch.setattr(bounded, "MOST_COUNTED", 100)
    monkeypatch.setattr(bounded, "MOST_KNOWN", 10)
    monkeypatch.setattr(bounded, "MOST_LOOKED_AT", 100)
    mine = {"consumer": "c", "group": "group", "topic": "events", "kind": "aaaa"}
    client = client_of("view", "replay")
    make_letters(300, **mine, state=State.HANDLED, settled_at=Now())
    make_letters(1000, **mine)
    take_statistics(DeadLetter)
    before = steps_of(lambda: text_of(client.get(LIST, {"kind": "aaaa"})))
    make_letters(4000, **{**mine, "kind": kind})
    take_statistics(DeadLetter)

    assert steps_of(lambda: text_of(client.get(LIST, {"kind": "aaaa"}))) < 1.5 * before
