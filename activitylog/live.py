"""The live page: what the three services made of the events, pushed to the browser as it changes.

It reads only what the consumers wrote. The stream is server-sent events from an ordinary view: one thread a
viewer, short queries outside any transaction, and a line each second, so that a viewer who left is noticed. There
are only so many threads: who comes when all seats are taken asks for the panels every few seconds instead.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator
from functools import wraps

from django.conf import settings
from django.contrib.auth.decorators import login_required, permission_required
from django.db import close_old_connections, connection
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from .models import Arrival
from .panels import PANELS
from .seats import Seats
from .views import show_banners

LOOK_EVERY_SECONDS = 0.2
HEARTBEAT_SECONDS = 1.0
REFRESH_SECONDS = 5.0  # what depends on the clock alone: "of late", "active"
STREAM_SECONDS = 300.0  # then the browser connects again
COME_BACK_SECONDS = 30

seats = Seats()


def for_observers(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Lets everybody in where LIVE_PAGE_IS_PUBLIC (a development site), elsewhere whoever may view arrivals."""
    guarded = login_required(permission_required("activitylog.view_arrival", raise_exception=True)(view))

    @wraps(view)
    def guard(request: HttpRequest, *args, **kwargs) -> HttpResponseBase:
        return (view if settings.LIVE_PAGE_IS_PUBLIC else guarded)(request, *args, **kwargs)

    return guard


@require_safe
@for_observers
def page(request: HttpRequest) -> HttpResponse:
    return render(request, "activitylog/live.html", {"panels": rendered_panels(), "banners": show_banners()})


@require_safe
@for_observers
def stream(request: HttpRequest) -> HttpResponseBase:
    seated = seats.seat(frames(), settings.LIVE_STREAMS)
    if seated is None:
        return HttpResponse("All streams are taken.", status=503, headers={"Retry-After": str(COME_BACK_SECONDS)})
    response = StreamingHttpResponse(seated, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


@require_safe
@for_observers
def panels(request: HttpRequest) -> JsonResponse:
    """Answers with all panels at once, for who has no stream."""
    return JsonResponse(rendered_panels(), headers={"Cache-Control": "no-store"})


def frames(
    now: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep
) -> Generator[str, None, None]:
    """Yields server-sent events: the panels that changed, or a comment when nothing did for a heartbeat."""
    shown: dict[str, str] = {}
    latest: int | None = None
    until = now() + STREAM_SECONDS
    refresh_at = heartbeat_at = now()
    yield "retry: 1000\n\n"
    while now() < until:
        drop_old_connection()
        newest = newest_arrival()
        if newest != latest or now() >= refresh_at:
            latest, refresh_at = newest, now() + REFRESH_SECONDS
            newly = rendered_panels()
            changed = {name: html for name, html in newly.items() if shown.get(name) != html}
            shown = newly
            if changed:
                heartbeat_at = now() + HEARTBEAT_SECONDS
                yield f"event: panels\ndata: {json.dumps(changed)}\n\n"
        if now() >= heartbeat_at:
            heartbeat_at = now() + HEARTBEAT_SECONDS
            yield ": still here\n\n"
        sleep(LOOK_EVERY_SECONDS)


def rendered_panels() -> dict[str, str]:
    """Returns each panel's HTML by its name; the templates escape what visitors typed."""
    return {name: render_to_string(f"activitylog/live/{name}.html", collect()) for name, collect in PANELS.items()}


def drop_old_connection() -> None:
    """Lets go of a connection that is dead or old enough; not in the middle of somebody's transaction, a test's."""
    if not connection.in_atomic_block:
        close_old_connections()


def newest_arrival() -> int | None:
    return Arrival.objects.order_by("-pk").values_list("pk", flat=True).first()
