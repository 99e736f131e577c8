"""The admin's pages."""

from . import dead_letters  # noqa: F401 - registers its page
