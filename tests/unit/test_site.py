"""`make docs` builds the documentation as a site: strictly, whole, and with nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.dispatch import Signal

import kafka_integration
from kafka_integration import errors, signals, testing
from tests.processes import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Addresses(HTMLParser):
    """What a page loads, and what it leads to."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.led_to: list[str] = []
        self.feed(page.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "a" and (target := given.get("href")):
            self.led_to.append(target)
        elif tag == "link" and given.get("rel") != "canonical":
            self.loaded.append(given.get("href") or "")
        elif tag in ("script", "img", "source", "iframe"):
            self.loaded.append(given.get("src") or given.get("srcset") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


def pages_of(site: Path) -> list[Path]:
    return [page for page in site.rglob("*.html") if page.name != "404.html"]


def test_each_page_of_the_documentation_is_a_page_of_the_site(site: Path) -> None:
    pages = {page.relative_to(PROJECT / "docs").with_suffix("") for page in (PROJECT / "docs").rglob("*.md")}

    assert {page.relative_to(site).with_suffix("") for page in pages_of(site)} == pages


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = {address for page in site.rglob("*.html") for address in Addresses(page).loaded}

    assert [address for address in loaded if re.match(r"(https?:)?//", address)] == []
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?(https?:)?//", sheet.read_text()), sheet.name


def test_each_link_of_the_site_leads_to_a_file_of_it(site: Path) -> None:
    broken = [
        (page.name, target)
        for page in pages_of(site)
        for target in Addresses(page).led_to
        if "://" not in target and not (page.parent / target.partition("#")[0]).resolve().exists()
    ]

    assert broken == []


def test_llms_txt_names_each_page(site: Path) -> None:
    listed = re.findall(r"^- \[.+\]\((\S+)\): \S", (site / "llms.txt").read_text(), re.MULTILINE)

    assert sorted(listed) == sorted(str(page.relative_to(site)) for page in pages_of(site))


def test_llms_txt_has_the_sections_of_the_site_and_decisions_as_optional(site: Path) -> None:
    parts = re.split(r"^## ", (site / "llms.txt").read_text(), flags=re.MULTILINE)[1:]
    sections = {part.partition("\n")[0]: re.findall(r"\]\((\S+)\)", part) for part in parts}

    assert list(sections) == ["Overview", "Tutorial", "How to", "Reference", "Explanation", "Optional"]
    assert sections["How to"][0] == "how-to/publish.html"
    assert {address.partition("/")[0] for address in sections["Optional"]} == {"decisions"}


def test_the_api_has_each_public_name_with_its_docstring(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text()
    public = {
        *kafka_integration.__all__,
        *testing.__all__,
        *(name for name in vars(signals) if isinstance(getattr(signals, name), Signal)),
        *(name for name, each in vars(errors).items() if isinstance(each, type) and each.__module__ == errors.__name__),
    }

    assert [name for name in public if not re.search(rf'id="kafka_integration\.[\w.]*\b{name}"', page)] == []


@pytest.mark.parametrize("page", sorted((PROJECT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_what_goes_on_in_a_list_is_indented_as_the_site_needs_it(page: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)

    # GitHub takes two or three spaces too; the site would end the list there.
    assert re.findall(r"\n\n( {1,3}\S.*)", prose) == []
