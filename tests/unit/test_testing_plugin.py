"""The pytest plugin and the how-to, tried out in a project that knows only the installed package."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HOW_TO = ROOT / "docs" / "how-to" / "test-your-handlers.md"
BLOCK = re.compile(r"^```python\n# (?P<path>\S+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)

SETTINGS = """
from shop.kafka_settings import KAFKA

SECRET_KEY = "x"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.contenttypes", "kafka_integration", "shop"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3", "TEST": {"NAME": "t.sqlite3"}}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
CONFTEST = """
from kafka_integration.testing import plugin

def pytest_configure(config):
    if not config.pluginmanager.is_registered(plugin):
        config.pluginmanager.register(plugin)
"""


@pytest.fixture
def run(tmp_path):
    """Runs Python in the folder of a project of its own."""

    def start(*arguments, **environment):
        path = os.pathsep.join([str(ROOT), str(tmp_path)])
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": path, "DJANGO_SETTINGS_MODULE": "shop_settings", **environment},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    return start


@pytest.fixture
def shop(tmp_path):
    """The project of the how-to, with the files that it shows."""
    for path, code in BLOCK.findall(HOW_TO.read_text()):
        file = tmp_path / path
        file.parent.mkdir(exist_ok=True)
        file.write_text(code)
    (tmp_path / "shop" / "__init__.py").touch()
    (tmp_path / "shop_settings.py").write_text(SETTINGS)
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\npython_files = test_*.py tests.py\nfilterwarnings = error\n")
    return tmp_path


def test_loading_the_plugin_loads_neither_django_nor_the_client(run):
    code = "import sys, kafka_integration.testing.plugin as p; print({'django', 'confluent_kafka'} & set(sys.modules))"

    result = run("-c", code)

    assert (result.stdout, result.returncode) == ("set()\n", 0), result.stderr


def test_pytest_without_django_does_not_mind_the_plugin(run, tmp_path):
    (tmp_path / "test_plain.py").write_text("def test_nothing(): pass\n")

    result = run("-m", "pytest", "-q", "-p", "no:django", "-p", "no:cacheprovider", ".", PYTHONPATH=str(ROOT))

    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_how_to_works_with_pytest(run, shop):
    result = run("-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", ".")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "14 passed" in result.stdout


def test_what_it_shows_first_works_with_sqlite_in_memory(run, shop):
    settings = SETTINGS.replace(', "TEST": {"NAME": "t.sqlite3"}', "")
    (shop / "shop_settings.py").write_text(settings)

    result = run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:anyio", "shop/tests.py", "shop/test_crashes.py"
    )

    assert settings != SETTINGS
    assert result.returncode == 0, result.stdout + result.stderr
    assert "5 passed" in result.stdout


def test_the_how_to_works_with_djangos_runner(run, shop):
    result = run("-m", "django", "test", "shop.tests")

    assert result.returncode == 0, result.stderr
    assert "Ran 3 tests" in result.stderr


def test_the_settings_for_tests_are_right(run, shop):
    (shop / "other_settings.py").write_text("from shop_settings import *\nfrom shop.test_settings import KAFKA\n")

    result = run("-m", "django", "check", DJANGO_SETTINGS_MODULE="other_settings")

    assert result.returncode == 0, result.stderr
