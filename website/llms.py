"""llms.txt, for programs that read documentation: title, address and first line of each page, by sections of the site.

Its form is that of https://llmstxt.org, where what is optional may be left out by whoever has little room.
"""

from __future__ import annotations

import re
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.nav import Navigation
from mkdocs.structure.pages import Page

LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
NO_PROSE = re.compile(r"#|```|\||:::|!")
# What decisions open with.
CONTEXT = re.compile(r"^\*\*(Context|Decision)\.\*\*")
SENTENCE_END = re.compile(r"(?<=[.:])\s")

OPTIONAL = "Optional"

# Section and line of each page, in the order of the navigation, and then what isn't in it.
_lines: dict[str, tuple[str, str]] = {}


def on_nav(nav: Navigation, **_: Any) -> Navigation:
    _lines.clear()
    _lines.update({page.file.src_uri: ("", "") for page in nav.pages})
    return nav


def on_page_content(html: str, page: Page, **_: Any) -> str:
    """Note the page, whose title is known from here on."""
    line = f"- [{page.title}]({page.canonical_url or page.url}): {first_sentence(page.markdown or '')}"
    _lines[page.file.src_uri] = (section_of(page), line)
    return html


def on_post_build(config: MkDocsConfig) -> None:
    parts = [f"# {config.site_name}", f"> {config.site_description}"]
    for section, lines in groupby(_lines.values(), key=itemgetter(0)):
        parts.append("\n".join([f"## {section}", "", *(line for _, line in lines)]))
    (Path(config.site_dir) / "llms.txt").write_text("\n\n".join(parts) + "\n")


def section_of(page: Page) -> str:
    """The part of the navigation that the page stands in."""
    if page.ancestors:
        return str(page.ancestors[-1].title)
    return "Overview" if page.is_homepage else OPTIONAL


def first_sentence(markdown: str) -> str:
    """What the first paragraph after the title begins with, on one line."""
    paragraphs = (part for part in markdown.split("\n\n") if part.strip() and not NO_PROSE.match(part))
    text = LINK.sub(r"\1", " ".join(CONTEXT.sub("", next(paragraphs, "")).replace("**", "").split()))
    return SENTENCE_END.split(text)[0].rstrip(":")
