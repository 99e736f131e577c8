from django.apps import AppConfig


class TrendsConfig(AppConfig):
    name = "activitylog.trends"
    label = "trends"
    verbose_name = "Search trends"
    default_auto_field = "django.db.models.BigAutoField"

    # Adding the app to INSTALLED_APPS is enough to have its consumer; a project retunes or disables it under
    # the same name in KAFKA["consumers"].
    kafka = {
        "consumers": {
            "search-trends": {
                "topics": ["search_term"],
                "consumer_group": "search-trends",
                "message_handler": "activitylog.trends.handlers.search_trends",
                "offset_storage": "database",
            },
        },
    }
