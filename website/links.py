"""Links out of docs/, to source files and tests, come out as links that work on the site.

They lead to the repository, where ``[project.urls]`` of pyproject.toml says where that is; to copies beside the pages
otherwise.
"""

from __future__ import annotations

import os
import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

PROJECT = Path(__file__).parents[1]
COPIES = "source"
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()(?P<target>(?:\.\./)+[^()\s#]+)(?P<fragment>#[^()\s]*)?(?=\))")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the files that pages point at beside them, where no repository has them."""
    if repository() is None:
        for path in sorted({path for file in files.documentation_pages() for path in outside_of(file)}):
            if (PROJECT / path).is_file():
                content = (PROJECT / path).read_bytes()
                files.append(File.generated(config, copy_of(path), content=content))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead the page's links out of docs/ to where the site has what they point at."""

    def elsewhere(match: re.Match[str]) -> str:
        path = outside(page.file.src_uri, match["target"])
        if path is None:
            return match[0]
        if not (PROJECT / path).exists():
            return match[0]  # left as it is, for MkDocs to refuse
        if (address := repository()) is not None:
            return f"{address}/blob/main/{path}{match['fragment'] or ''}"
        return posixpath.relpath(copy_of(path), posixpath.dirname(page.file.src_uri))

    return outside_of_fences(markdown, lambda text: LINK.sub(elsewhere, text))


def repository() -> str | None:
    """The address of the repository, where it has one."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    address = project.get("urls", {}).get("Repository")
    return address.rstrip("/") if address else None


def outside_of(file: File) -> list[str]:
    """What a page points at outside of docs/, as paths in the project."""
    text = FENCE.sub("", file.content_string)
    found = (outside(file.src_uri, match["target"]) for match in LINK.finditer(text))
    return [path for path in found if path is not None]


def outside(src_uri: str, target: str) -> str | None:
    """The path in the project of what a page's link leads to; None inside of docs/."""
    path = os.path.normpath(posixpath.join("docs", posixpath.dirname(src_uri), target))
    return None if path.startswith(("docs/", "..")) else path


def copy_of(path: str) -> str:
    # As text whatever it is: MkDocs would make pages of Markdown, and browsers would save Python.
    return f"{COPIES}/{path}.txt"


def outside_of_fences(text: str, change: Any) -> str:
    """The text with all but its blocks of code changed."""
    kept = FENCE.findall(text)
    parts = [change(part) for part in FENCE.split(text)]
    return "".join(part + (kept[index] if index < len(kept) else "") for index, part in enumerate(parts))
