"""The lines for a ~/.bashrc by which Tab completes names: they do in bash."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.processes import PROJECT
from tests.services.presence import missing_command, require

LINES = re.findall(r"```bash\n(.*?)```", (PROJECT / "docs/how-to/operate.md").read_text(), re.DOTALL)[-1]


def completed(*words: str) -> list[str]:
    """What bash is offered for the last of these words."""
    require(missing_command("bash", "bash"))
    program = f"""{LINES}
_django_completion() {{ COMPREPLY=(by-django); }}
_python_django_completion() {{ COMPREPLY=(by-django-for-python); }}
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_manage_py_names
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = subprocess.run(
        ["bash", "-c", program, "bash", *words], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return sorted(done.stdout.split())


def test_names_of_consumers_are_completed() -> None:
    assert completed(sys.executable, "manage.py", "runconsumer", "example", "m") == ["marketing"]


def test_names_of_groups_are_completed() -> None:
    assert completed(sys.executable, "manage.py", "kafkagroups", "lag", "s") == ["search-trends"]


@pytest.mark.parametrize(
    "words", [("runcons",), ("runconsumer", "--m"), ("kafkagroups", "lag", "marketing", "--"), ("kafkagroups", "l")]
)
def test_all_else_is_left_to_django(words: tuple[str, ...]) -> None:
    assert completed("./manage.py", *words) == ["by-django"]
    assert completed("python", "manage.py", *words) == ["by-django-for-python"]
