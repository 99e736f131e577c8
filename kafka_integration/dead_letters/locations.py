"""Where in the project's own code a message failed, told by what a deployment leaves as it is.

That is module, function and the text of the line, and not its number: lines that move make no other failure.
"""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Iterator
from functools import lru_cache
from pathlib import PurePath
from traceback import walk_tb

from django.conf import settings as django_settings

from ..exception_chains import links
from ..summaries import attribute_of
from .source_lines import source_line

MAX_LOCATION = 500

_NEVER_THE_PROJECTS = ("django", __name__.partition(".")[0])
_INSTALLED = re.compile(r"(?i)[/\\](?:site-packages|dist-packages|lib[/\\]python3[\d.t]*)[/\\]")
_STANDARD_LIBRARY = sysconfig.get_path("stdlib") + os.sep
# As redaction.py writes them; those of a group's members stand further in.
_TRACEBACK = re.compile(r"^Traceback ", re.MULTILINE)
_FRAME = re.compile(r'^  File "(?P<file>.+)", line \d+, in (?P<function>.+)\n(?:    (?P<line>.*)\n)?', re.MULTILINE)


def location_of(error: BaseException) -> str:
    """The innermost line of the project's that led to the error; ``""`` where none did."""
    for link in (error, *links(error)):
        for place in reversed(list(_places(link))):
            return place
    return ""


def location_in(kept: str) -> str:
    """The same, from a traceback as it is kept; ``""`` where it has no line of the project's."""
    for text in reversed(_TRACEBACK.split(kept)):
        for frame in reversed(list(_FRAME.finditer(text))):
            module = _module_in(frame["file"])
            if module is not None and _is_the_projects(module, frame["file"]):
                return _shown(module, frame["function"], frame["line"] or "")
    return ""


def _places(error: BaseException) -> Iterator[str]:
    for frame, number in walk_tb(attribute_of(error, "__traceback__")):
        module, code = frame.f_globals.get("__name__"), frame.f_code
        if isinstance(module, str) and _is_the_projects(module, code.co_filename):
            yield _shown(module, code.co_name, source_line(code.co_filename, number))


def _shown(module: str, function: str, line: str) -> str:
    return f"{module}.{function}: {line}"[:MAX_LOCATION] if line else f"{module}.{function}"[:MAX_LOCATION]


def _is_the_projects(module: str, file: str) -> bool:
    package = module.partition(".")[0]
    if package in _NEVER_THE_PROJECTS or file.startswith("<"):
        return False
    is_installed = file.startswith(_STANDARD_LIBRARY) or _INSTALLED.search(file)
    # A project may be installed as well, like what it stands on.
    return not is_installed or package == getattr(django_settings, "ROOT_URLCONF", "").partition(".")[0]


@lru_cache(maxsize=1000)
def _module_in(file: str) -> str | None:
    """The name under which a file is imported here, be it from another directory, as an earlier release is."""
    parts = PurePath(file).parts
    for start in range(1, len(parts)):
        path = PurePath(*parts[start:])
        if any(os.path.isfile(os.path.join(entry, path)) for entry in sys.path):
            return ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    return None
