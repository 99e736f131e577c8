"""The admin's pages, and the mixin for those of the project."""

from . import dead_letters, outbox, pages  # noqa: F401 - they register their pages
from .publishing import PublishAdminMixin

__all__ = ["PublishAdminMixin"]
