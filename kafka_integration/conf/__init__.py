"""The settings: ``get_settings()`` for code, ``find_problems()`` for checks. Read once, again when they change."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..errors import ConfigurationError
from .parse import Examined, examine
from .problems import Kind, Problem
from .settings import Settings

__all__ = ["Examined", "Kind", "Problem", "examined", "find_problems", "get_settings", "reset_settings"]

SOURCES = frozenset({"KAFKA", "INSTALLED_APPS", "DATABASES"})


def get_settings() -> Settings:
    """Return the settings of the project; raise ``ConfigurationError`` with every reason why they can't work."""
    found = examined()
    if found.problems or found.settings is None:
        raise ConfigurationError([str(problem) for problem in found.problems])
    return found.settings


def find_problems() -> tuple[Problem, ...]:
    """Return everything that is wrong with the settings, as far as it shows without importing handlers."""
    return examined().problems


@cache
def examined() -> Examined:
    """Return the settings together with what is wrong about them."""
    return examine()


def reset_settings(*, setting: str = "KAFKA", **kwargs: Any) -> None:
    """Forget what was read, where ``setting`` is one it came from; a receiver of ``setting_changed``."""
    if setting in SOURCES:
        examined.cache_clear()
