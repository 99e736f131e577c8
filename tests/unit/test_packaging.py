"""`pip install .` gives the library, whole and alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from importlib.metadata import entry_points
from pathlib import Path

import pytest

import kafka_integration
from tests.processes import PROJECT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_NOT_SOURCE = shutil.ignore_patterns("__pycache__")
_OUTSIDE_PROJECT = """
import django
from django.conf import settings
from django.core.management import call_command

settings.configure(
    INSTALLED_APPS=["django.contrib.contenttypes", "kafka_integration"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    KAFKA={"endpoints": "memory"},
)
django.setup()
call_command("migrate", verbosity=0)
call_command("makemigrations", check_changes=True, dry_run=True, verbosity=0)
import kafka_integration
print(kafka_integration.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    # A copy: building in place would leave a build folder in the project, from which later wheels take stale files.
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    for name in ("kafka_integration", "activitylog", "tests", "benchmarks"):
        shutil.copytree(PROJECT / name, source / name, ignore=_NOT_SOURCE)
    run_pip(sys.executable, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()

    assert {name.split("/")[0].partition("-")[0] for name in names} == {
        "kafka_integration",
        "django_kafka_integration",
    }


def test_the_wheel_holds_every_file_of_the_library(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    package = PROJECT / "kafka_integration"
    sources = {str(path.relative_to(PROJECT)) for path in package.rglob("*.*") if "__pycache__" not in path.parts}

    assert "kafka_integration/py.typed" in packed
    assert any(name.startswith("kafka_integration/migrations/0001") for name in packed)
    assert sources - packed == set()


def test_the_wheel_has_the_version_of_the_package(wheel):
    assert wheel.name.startswith(f"django_kafka_integration-{kafka_integration.__version__}-")


def test_the_wheel_asks_for_django_and_the_client_alone(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))

    metadata = Parser().parsestr(archive.read(name).decode())

    required = [text for text in metadata.get_all("Requires-Dist") if "extra ==" not in text]
    assert required == ["django>=5.2", "confluent-kafka>=2.16"]
    assert set(metadata.get_all("Provides-Extra")) == {"docs", "fast", "metrics", "otel", "postgres", "schemas", "test"}


def test_the_readme_says_what_each_extra_brings(wheel):
    (name,) = (name for name in zipfile.ZipFile(wheel).namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(zipfile.ZipFile(wheel).read(name).decode())
    table = (PROJECT / "README.md").read_text().partition("\n## Extras\n")[2].partition("\n## ")[0]

    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(metadata.get_all("Provides-Extra"))


def test_a_project_elsewhere_migrates_with_the_installed_wheel(wheel, tmp_path):
    environment = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    python = environment / "bin" / "python"
    # The same Django and client as here: what is looked at is our package, not the registry's newest.
    constraints = str(PROJECT / "requirements.txt")
    run_pip(str(python), "install", "--constraint", constraints, str(wheel))

    run = subprocess.run(
        [str(python), "-c", _OUTSIDE_PROJECT], cwd=tmp_path, capture_output=True, text=True, check=False
    )

    assert run.returncode == 0, run.stderr
    assert Path(run.stdout.strip()).is_relative_to(environment)


def test_pytest_finds_the_plugin_by_its_entry_point():
    (plugin,) = entry_points(group="pytest11", name="kafka_integration")

    assert plugin.load().__name__ == "kafka_integration.testing.plugin"


def run_pip(python: str, *arguments: str) -> None:
    command = [python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
