"""What a browser may load and run on our pages: this site's own files, and nothing that stands in the page itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar
from urllib.parse import urlsplit

from django.http.response import HttpResponseBase
from django.templatetags.static import static

from .inert import made_inert

HEADER = "Content-Security-Policy"

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def protected(view: View) -> View:
    """The view, whose answers tell browsers so and steer nothing; one that has a policy of its own keeps it."""

    @wraps(view)
    def protect(*args: Any, **kwargs: Any) -> HttpResponseBase:
        response = view(*args, **kwargs)
        response.headers.setdefault(HEADER, content_security_policy())
        made_inert(response)
        return response

    return protect  # type: ignore[return-value]  # it takes and gives the same


def content_security_policy() -> str:
    """The policy, with the host of the static files where that is another one."""
    files = f"'self' {origin}" if (origin := _origin_of_static_files()) else "'self'"
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {files}",
            f"style-src {files}",
            f"img-src {files} data:",
            f"font-src {files}",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        )
    )


def _origin_of_static_files() -> str:
    url = urlsplit(static("kafka_integration/pages.css"))
    if not url.netloc:
        return ""
    return f"{url.scheme}://{url.netloc}" if url.scheme else url.netloc
