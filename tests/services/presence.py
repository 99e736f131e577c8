"""What a test does where this machine lacks a service."""

from __future__ import annotations

import os
import shutil

import pytest


def require(missing: str | None) -> None:
    """Goes on where nothing is missing; else skips the test, or fails it with REQUIRE_ALL=1."""
    if missing is None:
        return
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"REQUIRE_ALL=1, but {missing}", pytrace=False)
    pytest.skip(missing)


def missing_command(name: str, package: str) -> str | None:
    """What to install, or None where the command is there."""
    return None if shutil.which(name) else f"no {name} (Debian: apt-get install {package})"
