from django.contrib import admin

from kafka_integration import PublishAdminMixin

from .models import Arrival, Article, Banner, BannerClick, BannerTally, LastAct, SearchQuery
from .trends.models import TermCount


@admin.register(Article)
class ArticleAdmin(admin.ModelAdmin):
    list_display = ("title", "summary")
    search_fields = ("title", "body")
    prepopulated_fields = {"slug": ("title",)}


@admin.register(Banner)
class BannerAdmin(admin.ModelAdmin):
    list_display = ("title", "tagline", "views")
    readonly_fields = ("views",)
    prepopulated_fields = {"slug": ("title",)}


@admin.register(SearchQuery)
class SearchQueryAdmin(PublishAdminMixin, admin.ModelAdmin):
    list_display = ("term", "user", "at")
    list_select_related = ("user",)
    search_fields = ("term",)
    date_hierarchy = "at"


@admin.register(BannerClick)
class BannerClickAdmin(PublishAdminMixin, admin.ModelAdmin):
    list_display = ("banner", "user", "at")
    list_select_related = ("banner", "user")
    list_filter = ("banner",)
    date_hierarchy = "at"


class ServiceAdmin(admin.ModelAdmin):
    """Rows that a service makes of events: to look at, not to edit by hand."""

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False


@admin.register(BannerTally)
class BannerTallyAdmin(ServiceAdmin):
    list_display = ("banner_id", "clicks")


@admin.register(LastAct)
class LastActAdmin(ServiceAdmin):
    list_display = ("user_id", "topic", "at", "acts")


@admin.register(TermCount)
class TermCountAdmin(ServiceAdmin):
    list_display = ("term", "minute", "searches")
    search_fields = ("term",)


@admin.register(Arrival)
class ArrivalAdmin(ServiceAdmin):
    list_display = ("service", "topic", "partition", "offset", "user_id", "subject", "arrived_at")
    list_filter = ("service", "topic")
