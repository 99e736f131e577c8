"""The row of links on top of each page for operators: to the pages, and to the lists of dead letters and the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext_lazy as _

APP = "kafka_integration"
LISTS = {"deadletter": _("Dead letters"), "outboxmessage": _("Outbox")}


@dataclass(frozen=True, kw_only=True)
class Link:
    """A way to another page."""

    title: Any
    url: str
    current: str = ""
    """What ``aria-current`` says of it: "page", "true" for the one above the page, or nothing."""


def links_to(
    pages: Iterable[tuple[str, Any]], request: HttpRequest, site: str, *, here: str, is_above: bool = False
) -> Iterator[Link]:
    """To these pages of an admin, by name and title, and to its lists that the user may see.

    ``here`` is the page's name, or that of its model. With ``is_above`` it is the page above, as the list is of a row.
    """
    current = {here: "true" if is_above else "page"}
    for name, title in pages:
        yield Link(title=title, url=address_of(name, site), current=current.get(name, ""))
    for model_name, title in LISTS.items():
        url = address_of(f"{model_name}_changelist", site)
        if url and has_permission(request, f"view_{model_name}"):
            yield Link(title=title, url=url, current=current.get(model_name, ""))


def address_of(page: str, site: str, **kwargs: Any) -> str:
    """The address of a page of an admin, by its name."""
    # Others choose the names of groups: one that no address can have is no reason to show no page.
    try:
        return reverse(f"admin:{APP}_{page}", kwargs=kwargs, current_app=site)
    except NoReverseMatch:
        return ""


def has_permission(request: HttpRequest, name: str) -> bool:
    """Whether the user has a permission of this app."""
    return bool(request.user.has_perm(f"{APP}.{name}"))
