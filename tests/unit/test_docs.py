"""What the documentation points at is there: files, headings, tests, and the code that it quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guides import files_of
from tests.processes import PROJECT

PAGES = [*sorted(PROJECT.glob("*.md")), *sorted((PROJECT / "docs").rglob("*.md"))]
LINK = re.compile(r"\[[^\]]*\]\(([^()\s]+)\)|\bsrc(?:set)?=\"([^\"]+)\"")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
TEST = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
MODULE = re.compile(r"`([\w/]+(?:\.py|/))`")
PLACE = re.compile(r"`([\w/]+\.py): (\w+)`")
DECISIONS = PROJECT / "docs" / "decisions"


def name_of(page: Path) -> str:
    return str(page.relative_to(PROJECT))


def anchors_of(page: Path) -> set[str]:
    """The fragments that GitHub makes of a page's headings."""
    text = CODE.sub("", page.read_text())
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def links_of(page: Path) -> list[str]:
    return [link or image for link, image in LINK.findall(CODE.sub("", page.read_text()))]


def broken_links(page: Path) -> Iterator[str]:
    for target in links_of(page):
        path, _, fragment = target.partition("#")
        if "://" in path or path.startswith("mailto:"):
            continue
        found = (page.parent / path) if path else page
        if not found.exists() or (fragment and fragment not in anchors_of(found)):
            yield target


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_link_leads_somewhere(page):
    assert list(broken_links(page)) == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_each_test_that_is_named_exists(page):
    for path, name in TEST.findall(page.read_text()):
        file = PROJECT / path
        assert file.is_file(), path
        assert not name or f"def {name}(" in file.read_text(), f"{path}::{name}"


def test_each_scenario_stands_under_what_it_shows():
    scenarios = {
        file.name
        for kind in ("fault", "outbox", "dead_letters")
        for file in (PROJECT / "tests" / "broker").glob(f"test_{kind}_*.py")
    }
    named = {target.rpartition("/")[2] for target in links_of(PROJECT / "docs" / "guarantees.md")}

    assert scenarios
    assert scenarios - named == set()


def test_each_page_is_reached_from_the_readme():
    reached = {PROJECT / "README.md"}
    for page in (to_visit := [PROJECT / "README.md"]):
        for target in links_of(page):
            found = (page.parent / target.partition("#")[0]).resolve()
            if found.suffix == ".md" and found.exists() and found not in reached:
                reached.add(found)
                to_visit.append(found)

    assert set(PAGES) - reached == set()


def test_each_page_stands_in_the_navigation_of_the_site():
    listed = set(re.findall(r"([\w/-]+\.md)$", (PROJECT / "mkdocs.yml").read_text(), re.MULTILINE))
    pages = {str(page.relative_to(PROJECT / "docs")) for page in PAGES if PROJECT / "docs" in page.parents}

    assert {page for page in pages - listed if not page.startswith("decisions/0")} == set(), "name them in mkdocs.yml"


def test_the_overview_leads_to_each_page():
    index = PROJECT / "docs" / "index.md"
    named = {(index.parent / target.partition("#")[0]).resolve() for target in links_of(index)}
    # The parts of the tutorial and the decisions have overviews of their own.
    below = {page for page in PAGES if page.parent.name in ("tutorial", "decisions") and page.name != "index.md"}

    assert {name_of(page) for page in {*PAGES} - below - named - {index}} == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_code_that_is_quoted_from_the_project_is_what_stands_there(page):
    for path, code in files_of(page.read_text()):
        file = PROJECT / path
        # What has no such file belongs to the example of the page.
        for part in re.split(r"^\s*…\s*$", code, flags=re.MULTILINE) if file.exists() else ():
            assert without_blank_lines(part) in without_blank_lines(file.read_text()), path


def test_the_file_map_names_each_module_that_there_is():
    design = (PROJECT / "docs" / "design.md").read_text()
    named = {Path(name).name for name in MODULE.findall(design)}
    package = PROJECT / "kafka_integration"
    houses = ("client", "conf", "consuming", "dead_letters", "outbox", "producing")
    modules = {
        path.name for house in houses for path in (package / house).rglob("*.py") if path.parent.name != "memory"
    }

    assert modules - named - {"__init__.py"} == set(), "name them in the file map of docs/design.md"


def test_the_design_names_no_module_that_is_gone():
    design = (PROJECT / "docs" / "design.md").read_text()
    found = (path.relative_to(PROJECT) for path in PROJECT.rglob("*.py"))
    # Environments with what others wrote are in hidden folders.
    there = {path.name for path in found if not path.parts[0].startswith(".")}

    assert {Path(name).name for name in MODULE.findall(design) if name.endswith(".py")} - there == set()


def test_each_place_that_the_design_names_is_there():
    sources = {
        str(path.relative_to(PROJECT)): path.read_text() for path in (PROJECT / "kafka_integration").rglob("*.py")
    }

    for file, name in PLACE.findall((PROJECT / "docs" / "design.md").read_text()):
        defined = re.compile(rf"^ *(?:(?:async )?def|class) {name}\b|^{name}\b.*=", re.MULTILINE)
        assert any(path.endswith(f"/{file}") and defined.search(text) for path, text in sources.items()), (file, name)


def test_each_rule_names_the_place_that_keeps_it():
    rules = (PROJECT / "docs" / "design.md").read_text().partition("## What must stay true")[2].partition("\n## ")[0]
    numbered = re.split(r"^(?=\d+\. )", rules, flags=re.MULTILINE)[1:]

    assert [rule.partition(".")[0] for rule in numbered] == [str(number + 1) for number in range(len(numbered))]
    assert [rule for rule in numbered if not PLACE.search(rule)] == []


def test_a_failed_message_goes_through_no_more_than_nine_modules():
    design = (PROJECT / "docs" / "design.md").read_text()
    way = design.partition("### From a handler's exception to a dead letter")[2].partition("\n## ")[0]
    modules = {Path(name).name for name in re.findall(r"`([\w/]+\.py)(?:: \w+)?`", way.partition("\n1. ")[2])}
    # One of the two, by where the offsets are.
    assert {"plain.py", "transactional.py"} <= modules

    assert len(modules - {"transactional.py"}) <= 9, modules


def test_the_words_of_the_design_are_those_of_the_code():
    words = (PROJECT / "docs" / "design.md").read_text().partition("\n## Words\n")[2].partition("\n## ")[0]
    code = "\n".join(path.read_text() for path in (PROJECT / "kafka_integration").rglob("*.py")).lower()
    named = [word for row in re.findall(r"^\| ([a-z][a-z, ]+) \|", words, re.MULTILINE)[1:] for word in row.split(", ")]

    assert len(named) > 30
    assert [word for word in named if not re.search(rf"\b_?{word.replace(' ', '[ _]')}", code)] == []


def test_the_decisions_are_numbered_and_listed():
    records = sorted(path for path in DECISIONS.glob("*.md") if path.name != "index.md")
    listed = re.findall(r"^\| \[(\d{4})\]\(([\w-]+\.md)\)", (DECISIONS / "index.md").read_text(), re.MULTILINE)

    assert [path.name for path in records] == [name for _, name in listed]
    # Whoever works beside others takes numbers beforehand, and may leave some.
    assert [number for number, _ in listed] == sorted({path.name[:4] for path in records})
    for path in records:
        assert path.read_text().startswith(f"# {path.name[:4]}: "), path.name


def without_blank_lines(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if line.strip())
