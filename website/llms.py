"""llms.txt: title, address and first line of each page, for programs that read documentation."""

from __future__ import annotations

import re
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

_lines: list[str] = []


def on_nav(nav: Navigation, config: MkDocsConfig, **_: Any) -> Navigation:
    _lines[:] = [f"# {config.site_name}", "", f"> {config.site_description}", ""]
    return nav


def on_page_content(html: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Note the page, whose title is known from here on."""
    _lines.append(f"- [{page.title}]({page.canonical_url or page.url}): {first_sentence(page.markdown or '')}")
    return html


def on_post_build(config: MkDocsConfig) -> None:
    (Path(config.site_dir) / "llms.txt").write_text("\n".join([*_lines, ""]))


def first_sentence(markdown: str) -> str:
    """What the first paragraph after the title begins with, on one line."""
    paragraphs = (part for part in markdown.split("\n\n") if part.strip() and not NO_PROSE.match(part))
    text = LINK.sub(r"\1", " ".join(CONTEXT.sub("", next(paragraphs, "")).replace("**", "").split()))
    return SENTENCE_END.split(text)[0].rstrip(":")
