"""The page that asks before an action that can't be undone, as Django's own asks before it deletes."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import ModelAdmin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse

from .bounded import BoundedPaginator

ANSWER = "post"
"""What Django's own page answers with."""
REPEATED = (ACTION_CHECKBOX_NAME, "action", "select_across")
"""What has to be asked for again, with the answer."""


def is_confirmed(request: HttpRequest) -> bool:
    """Whether the user has read what it does, and wants it."""
    return bool(request.POST.get(ANSWER))


def question(
    admin: ModelAdmin[Any], request: HttpRequest, rows: QuerySet[Any], *, title: Any, warning: Any
) -> TemplateResponse:
    """What is done, what that leads to, to how many rows, and the button that has it done."""
    asked = [(field, value) for field in REPEATED for value in request.POST.getlist(field)]
    context = {
        **admin.admin_site.each_context(request),
        "title": title,
        "subtitle": None,
        "opts": admin.opts,
        "media": admin.media,
        "warning": warning,
        "count": BoundedPaginator(rows, admin.list_per_page).count,
        "fields": [*asked, (ANSWER, "yes")],
        "way_back": request.get_full_path(),
    }
    return TemplateResponse(request, "admin/kafka_integration/question.html", context)
