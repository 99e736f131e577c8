"""What commands print and log of what others wrote steers no terminal, and tells no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.core.management.base import SystemCheckError

from kafka_integration.observing.families import DEAD_LETTERS, MESSAGES
from kafka_integration.operating.monitoring.exposition import page_of
from kafka_integration.operating.presence import asking
from tests.unit.hostile import LINE, NAME, steering_in
from tests.unit.test_admin_walk import GROUP, KAFKA, KEY_PASSWORD, PASSWORD, TOPIC, Walk

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("memory_transport")]

# They run until they are stopped, and print what a start and an end of theirs is: their log is looked at elsewhere.
FOR_EVER = {"runbroker"}


@pytest.fixture
def walk(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Walk:
    settings.KAFKA = KAFKA
    monkeypatch.setattr(asking, "TAKEN_WITHIN_SECONDS", 0.0)
    return Walk()


def calls(walk: Walk) -> Iterator[tuple[str, ...]]:
    """Each command with each of its actions."""
    yield from (("kafkaprocesses", "list"), ("kafkaprocesses", "list", "--json"))
    for consumer in (NAME, LINE):
        yield from (("kafkaprocesses", name, consumer) for name in ("pause", "resume"))
    yield from (("kafkaprocesses", name, str(walk.process.pk)) for name in ("quiet", "stop", "trace"))
    for options in ((), ("--json",)):
        yield ("kafkagroups", "list", *options)
        for group in (GROUP, LINE):
            yield ("kafkagroups", "lag", group, *options)
            yield ("kafkagroups", "reset", group, "--to", "earliest", *options)
        yield from (("kafkatopics", name, *options) for name in ("list", "plan", "health", "apply"))
        yield from (("kafkaevents", LINE, *options), ("kafkaevents", "--topic", TOPIC, "--key", LINE, *options))
        yield from (("kafkadeadletters", name, *options) for name in ("list", "kinds"))
        yield ("kafkadeadletters", "list", "--consumer", LINE, *options)
        yield ("kafkadeadletters", "show", str(walk.letter.pk), *options)
    for name in ("replay", "discard", "purge"):
        yield ("kafkadeadletters", name, str(walk.letter.pk))
    yield ("kafkatail", TOPIC, "--from", "earliest", "--max-messages", "2")
    yield ("kafkaproduce", TOPIC, LINE, "--key", LINE, "--header", f"{NAME}={NAME}")
    yield ("kafkaproduce", LINE, LINE)
    yield from (("runconsumer", "--list"), ("runconsumer", LINE), ("runrelay", "--once"))


def test_the_walk_leaves_out_no_command(walk: Walk) -> None:
    ours = {name for name, app in get_commands().items() if app == "kafka_integration"}

    assert {name for name, *_ in calls(walk)} | FOR_EVER == ours


def test_what_others_wrote_steers_no_terminal_and_no_secret_is_told(
    walk: Walk, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("DEBUG")
    wrong: list[object] = []

    for name, *arguments in calls(walk):
        printed = _printed_by(name, arguments) + "".join(capsys.readouterr()) + caplog.text
        caplog.clear()
        steering = steering_in(printed, lines="\n\t")
        wrong += [(name, arguments, steering, printed[:3000])] if steering else []
        wrong += [(name, arguments, "tells", each) for each in (PASSWORD, KEY_PASSWORD) if each in printed]

    assert not wrong, "\n".join(map(str, wrong))


def test_an_error_that_repeats_what_others_wrote_steers_no_terminal(walk: Walk, settings: Any) -> None:
    settings.KAFKA = {**KAFKA, LINE: 1, "consumers": {LINE: {LINE: LINE}}}
    first_of_each = {name: arguments for name, *arguments in reversed([*calls(walk), ("runbroker",)])}

    printed = {name: _printed_by(name, arguments) for name, arguments in first_of_each.items()}

    assert [name for name, text in printed.items() if "evil" not in text] == []
    assert {name: found for name, text in printed.items() if (found := steering_in(text, lines="\n\t"))} == {}


def test_what_checks_find_keeps_its_colours(settings: Any) -> None:
    settings.KAFKA = {"nonsense": 1}

    with pytest.raises(SystemCheckError, match=r"\x1b\[.*nonsense"):
        call_command("kafkaevents", "1", skip_checks=False, force_color=True)


def _printed_by(name: str, arguments: list[str]) -> str:
    out, err = StringIO(), StringIO()
    try:
        call_command(name, *arguments, stdout=out, stderr=err)
    except CommandError as error:
        err.write(str(error))
    except SystemExit as end:
        err.write(f"exit status {end.code}")
    if "--json" in arguments and out.getvalue():
        json.loads(out.getvalue())
    return out.getvalue() + err.getvalue()


def test_what_others_named_is_no_line_of_metrics_of_its_own() -> None:
    families = pytest.importorskip("prometheus_client.parser").text_string_to_metric_families
    samples = [MESSAGES.of(NAME, LINE, "handled", value=1), DEAD_LETTERS.of(LINE, NAME, value=2)]

    body = page_of(samples, accept="", has_children=False).body.decode()

    ours = [sample for family in families(body) for sample in family.samples if "evil" in str(sample.labels)]
    assert sorted(sample.value for sample in ours) == [1, 2]
    assert {sample.name for sample in ours} == {"kafka_integration_messages_total", "kafka_integration_dead_letters"}
