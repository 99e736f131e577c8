"""The benchmark: contenders do the same work, or there are no figures; and figures become a page."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from shutil import copy
from types import ModuleType

import pytest
from confluent_kafka import Message as RawMessage

from benchmarks.catalogue import RATE, START, Row, ours, peer, program
from benchmarks.contenders.meter import PREFIX, Meter
from benchmarks.environments import PEERS, requirements_of, version_of
from benchmarks.figures import Spread, Told, UnequalWorkError, read, refuse_unequal_work
from benchmarks.growth import SERIES, growth_rows
from benchmarks.page.charts import Bar, bar_chart, line_chart, short
from benchmarks.page.comparison import COMPARISON, comparison_of
from benchmarks.page.page import PAGE, about_run, replaced, write_page
from benchmarks.page.table import markdown_table, overview, terminal_table, verdict
from benchmarks.pages.table import Taken, table
from benchmarks.results import Description, Results
from benchmarks.rows import ROWS
from benchmarks.running import Outcome
from benchmarks.workload import VALUE_BYTES, value
from kafka_integration.message import Decoding
from kafka_integration.messages import RawMessages, for_handler, objects_of
from tests.processes import PROJECT

AS_BYTES = Decoding(key=bytes, value=bytes)
AS_JSON = Decoding(key=bytes, value=json.loads)

ROW = Row(
    name="row",
    title="A row",
    about="Some work.",
    contenders=(
        ours("mine", "mine", "handlers.each", messages=100),
        program("raw", "raw", "poll", messages=100),
        peer("aiokafka", "each", "theirs", messages=100),
    ),
)

DESCRIPTION = Description(
    date="1 May", command="python -m benchmarks", runs=1, machine="m", versions="v", commit="abc", load=0.0
)


def told(rate: float, count: int = 100, **more: float) -> Told:
    return {"count": count, "size": count * VALUE_BYTES, "rate": rate, "cpu_us": 1.0, "peak_mib": 50.0, **more}


class Raw(RawMessage):
    """A message that counts how often its value was read."""

    reads = 0

    def value(self, *args: object) -> bytes:  # type: ignore[override]  # as the contenders call it
        type(self).reads += 1
        return value(0)


@pytest.fixture
def raws() -> list[RawMessage]:
    Raw.reads = 0
    return [Raw(topic="t", partition=0, offset=offset) for offset in range(3)]


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    work = {"SERVERS": "none", "TOPIC": "t", "GROUP": "g", "MESSAGES": "1000", "STARTED": "0"}
    for name, text in work.items():
        monkeypatch.setenv(f"BENCH_{name}", text)
    from benchmarks.contenders import handlers, raw

    monkeypatch.setattr(handlers, "meter", Meter(1000))
    handlers.raw = raw  # type: ignore[attr-defined]
    return handlers


@pytest.mark.parametrize(
    "handle",
    [
        lambda handlers, raws: [handlers.each(message) for message in objects_of(raws, AS_BYTES)],
        lambda handlers, raws: [handlers.each_at_a_time(message) for message in objects_of(raws, AS_BYTES)],
        lambda handlers, raws: [handlers.each_json(message) for message in objects_of(raws, AS_JSON)],
        lambda handlers, raws: handlers.Batch().handle_messages(for_handler(RawMessages(raws, AS_BYTES))),
        lambda handlers, raws: handlers.Columns().handle_messages(for_handler(RawMessages(raws, AS_BYTES))),
        lambda handlers, raws: [handlers.sleeping(message) for message in objects_of(raws, AS_BYTES)],
    ],
    ids=["message", "key", "json", "batch", "columns", "sleeping"],
)
def test_each_of_our_handlers_reads_each_value_once(
    handle: Callable[[ModuleType, Sequence[RawMessage]], object], handlers: ModuleType, raws: list[RawMessage]
) -> None:
    handle(handlers, raws)

    assert Raw.reads == len(raws)
    assert (handlers.meter.count, handlers.meter.size) == (len(raws), len(raws) * VALUE_BYTES)


@pytest.mark.parametrize("form", ["read", "read_json"])
def test_the_raw_client_reads_each_value_once(form: str, handlers: ModuleType, raws: list[RawMessage]) -> None:
    handle = getattr(handlers.raw, form)()

    for raw in raws:
        handle(raw)

    assert Raw.reads == len(raws)


@pytest.mark.parametrize("size", [100, 200, 1000])
def test_a_value_has_the_size_that_it_says(size: int) -> None:
    assert {len(value(number, size)) for number in (0, 999, 9_999_999)} == {size}
    assert json.loads(value(7, size))["size"] == size


def test_the_meter_is_done_once_when_the_last_message_is_there() -> None:
    done = []
    meter = Meter(10, on_done=lambda: done.append(meter.count))

    for _ in range(4):
        meter.add_many(4, 4 * VALUE_BYTES)

    assert done == [12]


def test_a_contender_that_read_fewer_bytes_than_there_were_is_refused() -> None:
    with pytest.raises(UnequalWorkError, match="mine read 0 bytes of the values of 100 messages, which have 20,000"):
        refuse_unequal_work(ROW, ROW.contenders[0], {**told(1.0), "size": 0}, 100)


def test_a_contender_that_handled_fewer_messages_is_refused() -> None:
    with pytest.raises(UnequalWorkError, match="raw handled 99 messages of 100"):
        refuse_unequal_work(ROW, ROW.contenders[1], told(1.0, count=99), 100)


def test_the_same_work_is_accepted() -> None:
    refuse_unequal_work(ROW, ROW.contenders[0], told(1.0), 100)


def test_figures_are_the_last_line_that_says_so() -> None:
    assert read(f"a log\n{PREFIX}{json.dumps({'rate': 1})}\n{PREFIX}{json.dumps({'rate': 2})}\nbye") == {"rate": 2}


def test_output_without_figures_is_an_error() -> None:
    with pytest.raises(ValueError, match="no figures"):
        read("only a log")


def test_a_spread_has_the_median_and_the_two_ends() -> None:
    assert Spread.of([told(3), told(1), told(2)], RATE) == Spread(median=2, lowest=1, highest=3)


@pytest.mark.parametrize(
    ("figure", "one", "other", "words"),
    [
        (RATE, 300, 100, "3.0 times faster"),
        (RATE, 100, 150, "1.50 times slower"),
        (START, 1.0, 2.0, "2.0 times faster"),
        (START, 2.0, 1.0, "2.0 times slower"),
        (RATE, 100, 101, "the same"),
    ],
)
def test_a_ratio_is_said_in_words(figure, one: float, other: float, words: str) -> None:
    assert figure.words(one, other) == words


def test_the_table_has_each_contender_that_was_measured_and_compares_it_with_the_first() -> None:
    runs = {"mine": [told(300), told(320), told(310)], "raw": [told(100)]}

    assert markdown_table(ROW, runs).splitlines() == [
        "|  | messages/s | lowest to highest | CPU µs a message | peak MiB | beside it, the first is |",
        "| --- | --- | --- | --- | --- | --- |",
        "| mine | 310 | 300 to 320 | 1.0 | 50 |  |",
        "| raw | 100 | 100 to 100 | 1.0 | 50 | 3.1 times faster |",
    ]


def test_where_another_is_faster_it_is_said_in_words() -> None:
    runs = {"mine": [told(100)], "raw": [told(101)], "aiokafka-each": [told(250)]}

    assert verdict(ROW, runs) == "**theirs: 2.5 times faster than mine.** raw: the same."


def test_where_none_is_faster_that_is_said() -> None:
    assert verdict(ROW, {"mine": [told(100)], "raw": [told(50)]}) == "Nothing that was measured beside mine is better."


def test_the_overview_has_the_best_by_hand_and_the_best_peer_of_each_row() -> None:
    runs = {"row": {"mine": [told(300)], "raw": [told(100)], "aiokafka-each": [told(600)]}}

    assert overview([ROW, replace(ROW, name="unmeasured")], runs).splitlines()[2:] == [
        "| A row | mine | 3.0 times faster (raw) | 2.0 times slower (theirs) |"
    ]


def test_our_own_other_forms_are_no_peers() -> None:
    row = replace(ROW, contenders=(*ROW.contenders, ours("other", "other", "handlers.Columns", messages=100)))

    assert verdict(row, {"mine": [told(100)], "other": [told(200)]}) == ""
    assert "other" not in verdict(row, {"mine": [told(100)], "other": [told(200)], "raw": [told(50)]})


def test_a_row_without_figures_has_no_table() -> None:
    assert (markdown_table(ROW, {}), verdict(ROW, {})) == ("", "")


def test_the_terminal_shows_the_same_figures() -> None:
    shown = terminal_table(ROW, {"mine": [told(1234)], "raw": [told(100)]})

    assert "mine" in shown
    assert "1,234" in shown
    assert "12.3 times faster" in shown


def test_a_chart_of_bars_is_svg_with_each_label_in_both_schemes() -> None:
    bars = [Bar(label="a < b", value=3, lowest=2, highest=4, text="3", is_ours=True)]

    chart = bar_chart("Title", "messages/s", bars)

    assert [text.text for text in texts_of(chart)] == ["Title", "messages/s", "a < b", "3"]
    assert "prefers-color-scheme: dark" in chart


def test_a_chart_of_lines_has_a_point_for_each_figure() -> None:
    chart = line_chart("Title", "messages/s", "lanes", {"key": [(1, 10.0), (10, 100.0)], "none": [(1, 5.0)]})

    assert chart.count("<circle") == 3 + 2
    assert {"1", "10", "key", "none", "lanes"} <= {text.text for text in texts_of(chart)}


@pytest.mark.parametrize(("number", "shown"), [(0, "0"), (64, "64"), (20_000, "20k"), (1_500_000, "1.5M")])
def test_axes_show_short_numbers(number: float, shown: str) -> None:
    assert short(number) == shown


def test_what_is_generated_replaces_what_was_between_its_markers() -> None:
    page = "above\n<!-- begin: rows -->\nold\n<!-- end: rows -->\nbelow"

    assert replaced(page, "rows", "new \\1") == ("above\n<!-- begin: rows -->\n\nnew \\1\n\n<!-- end: rows -->\nbelow")


def test_the_comparison_has_the_figures_of_the_page() -> None:
    assert replaced(COMPARISON.read_text(), "peers", comparison_of(PAGE.read_text())) == COMPARISON.read_text()


def test_a_peer_that_was_not_measured_has_no_figure() -> None:
    page = """
## A handler called for each message

| FastStream | 10 | 9 to 11 | 1.0 | 50 | 2.0 times faster |

## Producing, with an answer for each message

| FastStream, 500 `publish` at a time | 10 | 9 to 11 | 1.0 | 50 | 3.0 times faster |
"""

    lines = comparison_of(page).splitlines()

    assert "| FastStream | 2.0 times faster |  |  | 3.0 times faster |" in lines
    assert "| aiokafka |  |  |  |  |" in lines


def test_a_page_without_markers_is_refused() -> None:
    with pytest.raises(ValueError, match="begin: rows"):
        replaced("nothing", "rows", "new")


@pytest.mark.parametrize(("load", "is_said"), [(0.2, False), (8.4, True)])
def test_a_machine_that_was_busy_is_said_to_have_been(load: float, is_said: bool) -> None:
    description = replace(DESCRIPTION, load=load)

    assert ("busy" in about_run(Results(description=description, outcome=Outcome()))) is is_said


def test_a_series_that_was_measured_alone_leaves_what_the_page_says_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.page.page.IMAGES", tmp_path)
    for name, path in (("PAGE", PAGE), ("COMPARISON", COMPARISON)):
        monkeypatch.setattr(f"benchmarks.page.page.{name}", Path(copy(path, tmp_path)))
    lanes = next(series for series in SERIES if series.name == "lanes")
    runs = {row.name: {each.name: [told(1234)] for each in row.contenders} for row in lanes.points.values()}

    write_page(Results(description=DESCRIPTION, outcome=Outcome(runs=runs)))

    before, written = PAGE.read_text(), (tmp_path / PAGE.name).read_text()
    assert "| 1,000 | 1,234 | 1,234 |" in part(written, "growth-lanes")
    assert "with `python -m benchmarks`" in part(written, "growth-lanes")
    assert (tmp_path / "growth-lanes.svg").read_text().startswith("<svg")
    for name in ("rows", *(f"growth-{series.name}" for series in SERIES if series is not lanes)):
        assert part(written, name) == part(before, name)


def test_a_contender_of_a_series_that_fails_at_one_point_is_left_out_only_there() -> None:
    names = [each.name for series in SERIES for row in series.points.values() for each in row.contenders]

    assert len({*names}) == len(names)


def test_a_series_goes_as_far_as_its_longest_backlog_may_be() -> None:
    assert [row.backlog for row in growth_rows(["backlog"], 100_000)] == [10_000, 100_000]


def test_rows_and_their_contenders_have_names_of_their_own() -> None:
    names = [contender.name for row in ROWS for contender in row.contenders]

    assert len({row.name for row in ROWS}) == len(ROWS)
    assert len({*names}) == len(names)
    assert all(row.contenders[0].is_ours for row in ROWS)


@pytest.mark.parametrize("environment", PEERS)
def test_each_peer_pins_its_version_and_all_that_it_needs(environment: str) -> None:
    requirements = [line for line in requirements_of(environment).read_text().splitlines() if line]

    assert version_of(environment)
    assert [line for line in requirements if "==" not in line] == []


def test_the_help_names_the_rows() -> None:
    command = [sys.executable, "-m", "benchmarks", "--help"]

    shown = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT).stdout

    words = "".join(shown.split())  # lines end anywhere
    assert all(row.name in words for row in ROWS)


def test_a_page_of_some_rows_only_is_refused() -> None:
    command = [sys.executable, "-m", "benchmarks", "--page", "--only", ROWS[0].name]

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)

    assert done.returncode == 2
    assert "a page has all rows" in done.stderr


def test_a_row_of_its_own_value_size_asks_for_that_many_bytes() -> None:
    row = replace(ROW, value_bytes=1000)

    with pytest.raises(UnequalWorkError, match="100,000"):
        refuse_unequal_work(row, row.contenders[0], told(1.0), 100)


def test_the_table_of_pages_has_what_nineteen_of_twenty_visits_took_at_most() -> None:
    quick = Taken(seconds=[0.01] * 20, cpu_seconds=[0.005] * 20, queries=4)
    slow = Taken(seconds=[*[0.1] * 18, 0.2, 0.9], cpu_seconds=[0.05] * 20, queries=9)

    assert table({"postgresql": {"groups": quick}, "sqlite": {"groups": slow}}).splitlines()[2:] == [
        "| groups | 10 | 10 | 5 | 4 | 100 | 200 | 50 | 9 |"
    ]
    assert "groups" not in table({"sqlite": {"groups": slow}}, only_above_ms=300)


def part(page: str, name: str) -> str:
    return page.partition(f"<!-- begin: {name} -->")[2].partition(f"<!-- end: {name} -->")[0]


def texts_of(chart: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}text"))
