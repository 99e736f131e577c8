"""How pages get into an admin: with addresses, and among the links of its index.

An admin finds both through what is registered for a model. A page has none, so it gets a model that stands in: in a
registry of its own, where no migration, permission or content type is made of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from django.apps.registry import Apps
from django.contrib.admin import AdminSite, ModelAdmin
from django.core.checks import CheckMessage
from django.db.models import Model
from django.db.transaction import non_atomic_requests
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path, register_converter

from ..links import APP
from ..protection import protected
from .page import Page

if TYPE_CHECKING:
    Admin = ModelAdmin[Any]
else:
    # At run time it can't be subscripted.
    Admin = ModelAdmin


class NameConverter:
    """Any name that others chose: of a group, of an event. It may have slashes and lines."""

    regex = r"[\s\S]+"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: Any) -> str:
        return str(value)


register_converter(NameConverter, "kafka_name")


def register_pages(site: AdminSite, pages: Sequence[type[Page]]) -> None:
    """Add the pages to an admin."""
    for page in pages:
        site.register(_stand_in(page), PageAdmin, page=page)


def pages_of(site: AdminSite) -> tuple[type[Page], ...]:
    """The pages that an admin has."""
    return tuple(each.page for each in site._registry.values() if isinstance(each, PageAdmin))


class PageAdmin(Admin):
    """One page, as an admin's index and addresses know it."""

    page: type[Page]

    def get_urls(self) -> list[URLPattern]:
        name = f"{APP}_{self.page.name}"
        shown = self._view()
        operations = [
            path(
                f"{self.page.route}{each}/",
                self._view(operation_name=each, http_method_names=["post"]),
                name=f"{name}_{each}",
            )
            for each in self.page.operations
        ]
        # By the second name the admin's index knows it.
        return [
            *operations,
            path(self.page.route, shown, name=name),
            path(self.page.route, shown, name=f"{name}_changelist"),
        ]

    def _view(self, **given: Any) -> Callable[..., HttpResponseBase]:
        view = self.page.as_view(admin_site=self.admin_site, siblings=pages_of(self.admin_site), **given)
        # What is asked of brokers may take its time: not in a transaction.
        return non_atomic_requests(protected(self.admin_site.admin_view(view)))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.page.is_listed() and self.page.is_for(request)

    def get_model_perms(self, request: HttpRequest) -> dict[str, bool]:
        return {"add": False, "change": False, "delete": False, "view": self.has_module_permission(request)}

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return []


def _stand_in(page: type[Page]) -> type[Model]:
    class Meta:
        apps = Apps()
        app_label = APP
        managed = False
        default_permissions = ()
        verbose_name = verbose_name_plural = page.title

    return type(page.name.title(), (Model,), {"__module__": __name__, "Meta": Meta})
