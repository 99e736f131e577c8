"""Monitoring, where it is asked for: all that it needs is loaded only then."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from .request import MonitoringRequest
from .watched import Monitor

if TYPE_CHECKING:
    from .monitor import FamilyPost


@contextmanager
def monitored(request: MonitoringRequest) -> Iterator[Monitor | None]:
    """What looks at this process; None where nobody asked. ``ConfigurationError`` where it can't be had."""
    if not request.is_made:
        yield None
        return
    from .monitor import Post

    post = Post(request)
    try:
        yield post.watching
    finally:
        post.close()


@contextmanager
def monitored_family(request: MonitoringRequest, count: int) -> Iterator[FamilyPost | None]:
    """The same for so many workers."""
    if not request.is_made:
        yield None
        return
    from .monitor import FamilyPost, Post

    post = FamilyPost(Post(request), count)
    try:
        yield post
    finally:
        post.close()
