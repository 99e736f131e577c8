"""A page inside Django's admin that is no list of a model's rows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from django.contrib import messages
from django.contrib.admin import AdminSite, site
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.encoding import iri_to_uri
from django.views.generic.base import TemplateResponseMixin, View

from ...errors import KafkaIntegrationError
from ...summaries import escaped
from ..databases import LONGEST_PARAMETER
from ..links import Link, address_of, has_permission, links_to
from .operation import Done, Operation

FRAGMENT_HEADER = "X-Kafka-Fragment"
"""With it the script asks for the part of a page that changes by itself."""
LIVE_TEMPLATE = "admin/kafka_integration/pages/live.html"


class Page(TemplateResponseMixin, View):
    """``admin:kafka_integration_<name>``, for whoever has its permission.

    A subclass gives ``context()`` and a ``live_template`` of what it shows; that part is fetched again by itself. What
    should stay as it is, such as a form, goes into a ``template_name`` that extends ``pages/page.html``. An error of
    ours, raised by ``context()`` or by an operation, is shown to the user as it reads.
    """

    name: str
    title: Any
    route = ""
    """What its address has behind the name: "<kafka_name:group>/" for a page of one group."""
    permission = "view_operations"
    parent: type[Page] | None = None
    """The page above it, in the breadcrumbs."""
    template_name = "admin/kafka_integration/pages/page.html"
    live_template: str
    refresh_seconds: int | None = 5
    """None is a page that stays as it is."""
    operations: Mapping[str, Operation] = {}
    http_method_names = ["get", "head", "options"]

    # Given by whoever makes a view of it.
    admin_site: AdminSite = site
    siblings: Collection[type[Page]] = ()
    operation_name = ""

    def context(self) -> dict[str, Any]:
        """What its templates show."""
        return {}

    def heading(self) -> Any:
        """Its title, for this request."""
        return self.title

    @classmethod
    def is_listed(cls) -> bool:
        """Whether there are links to it: it needs no argument."""
        return not cls.route

    @classmethod
    def is_for(cls, request: HttpRequest) -> bool:
        """Whether the user may see it."""
        return has_permission(request, cls.permission)

    def may(self, name: str) -> bool:
        """Whether the user may have the operation done."""
        return has_permission(self.request, self.operations[name].permission)

    def url_of(self, page: str, **kwargs: Any) -> str:
        """The address of a page of the same site, by its name."""
        return address_of(page, self.admin_site.name, **kwargs)

    def parameter(self, name: str, default: str = "", *, known: Collection[str] | None = None) -> str:
        """What the request asks for; what no link or form of ours asks for is a bad request."""
        data = self.request.POST if self.request.method == "POST" else self.request.GET
        values = data.getlist(name, [default])
        value = values[-1]
        if len(values) > 1 or len(value) > LONGEST_PARAMETER or "\0" in value:
            raise BadRequest(f"the parameter {name} is there more than once, too long, or has a NUL character")
        if known is not None and value not in known and value != default:
            raise BadRequest(f"the parameter {name} is none of what this page offers")
        return value

    # What the browser asks for

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if not self.is_for(request):
            raise PermissionDenied
        if any("\0" in str(value) for value in kwargs.values()):
            raise Http404
        request.current_app = self.admin_site.name  # as the admin's own views do
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        around = {} if self._is_fragment() else self.admin_site.each_context(request)
        try:
            shown = self.context()
        except KafkaIntegrationError as error:
            shown = {"obstacle": str(error)}
        return self.render_to_response({**around, **self._frame(), **shown})

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        if not self.may(self.operation_name):
            raise PermissionDenied
        url = self.url_of(self.name, **kwargs)
        try:
            done: Done = getattr(self, self.operation_name)()
        except KafkaIntegrationError as error:
            messages.error(request, str(error))
        else:
            _log(request, done)
            messages.success(request, done.text)
            url = done.url or url
        return HttpResponseRedirect(iri_to_uri(url))

    def get_template_names(self) -> list[str]:
        return [LIVE_TEMPLATE] if self._is_fragment() else super().get_template_names()

    def _is_fragment(self) -> bool:
        return FRAGMENT_HEADER in self.request.headers

    def _frame(self) -> dict[str, Any]:
        above = [*self._above()]
        return {
            "title": self.heading(),
            "subtitle": None,
            "live_template": self.live_template,
            "refresh_seconds": self.refresh_seconds,
            "now": timezone.now(),
            "crumbs": [Link(title=page.title, url=self.url_of(page.name)) for page in above],
            "page_links": [
                *links_to(
                    listed_among(self.siblings, self.request),
                    self.request,
                    self.admin_site.name,
                    here=(above[0] if above else self).name,
                    is_above=bool(above),
                )
            ],
            "operations": {
                name: {"label": operation.label, "url": self.url_of(f"{self.name}_{name}", **self.kwargs)}
                for name, operation in self.operations.items()
                if self.may(name)
            },
        }

    @classmethod
    def _above(cls) -> Iterator[type[Page]]:
        """The pages above it, the topmost first."""
        if cls.parent is not None:
            yield from cls.parent._above()
            yield cls.parent


def listed_among(pages: Iterable[type[Page]], request: HttpRequest) -> list[tuple[str, Any]]:
    """Names and titles of those that there are links to, for this user."""
    return [(page.name, page.title) for page in pages if page.is_listed() and page.is_for(request)]


def _log(request: HttpRequest, done: Done) -> None:
    assert request.user.pk is not None  # nobody anonymous gets this far
    row = done.subject if isinstance(done.subject, Model) else None
    LogEntry.objects.create(
        user_id=request.user.pk,
        content_type=ContentType.objects.get_for_model(row) if row else None,
        object_id=row.pk if row else None,
        object_repr=escaped(str(done.subject))[:200],
        action_flag=done.flag,
        change_message=done.logged,
    )
