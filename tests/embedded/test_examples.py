"""The smallest project, as its README has somebody do it: in an environment with nothing but the package."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.guides import Walk, lines_to_type
from tests.processes import PROJECT

MINIMAL = PROJECT / "examples" / "minimal"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What somebody cloned. A copy: building in place leaves a folder behind, from which later builds take files."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, folder)
    ignored = shutil.ignore_patterns("__pycache__", ".venv", "*.sqlite3*")
    for name in ("kafka_integration", "examples"):
        shutil.copytree(PROJECT / name, folder / name, ignore=ignored)
    return folder


def test_the_minimal_example_leads_to_the_first_handled_message(checkout, tmp_path):
    folder = checkout / "examples" / "minimal"
    readme = (folder / "README.md").read_text()
    first, _, rest = readme.partition("What it can't handle is kept")
    begun = time.monotonic()
    python = folder / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    pip = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*pip, "--constraint", str(PROJECT / "requirements.txt"), "../.."], check=True, cwd=folder)
    logs = tmp_path / "logs"
    logs.mkdir()
    walk = Walk(folder, logs, env={"TMPDIR": str(logs)}, python=str(python), skip="venv|pip install|bin/activate")
    try:
        walk.follow(first, writes_files=False)
        seconds_to_the_first_message = time.monotonic() - begun
        walk.follow(rest, writes_files=False)
        walk.stop()
    finally:
        walk.close()

    assert seconds_to_the_first_message < 300
    assert len(lines_to_type(first)) <= 15


def test_it_is_as_small_as_it_says():
    assert sum(len(path.read_text().splitlines()) for path in MINIMAL.glob("*.py")) < 60
