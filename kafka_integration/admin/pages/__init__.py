"""The operator's pages, which are no lists of a model's rows: what they are, and how they get into an admin."""

from __future__ import annotations

from django.contrib import admin

from .events import EventPage, EventsPage
from .groups import GroupPage, GroupsPage
from .messages import MessagesPage
from .overview import OverviewPage
from .page import Page
from .processes import ProcessesPage
from .registration import register_pages
from .topics import TopicPage, TopicsPage

PAGES: tuple[type[Page], ...] = (
    OverviewPage,
    ProcessesPage,
    GroupsPage,
    GroupPage,
    TopicsPage,
    TopicPage,
    MessagesPage,
    EventsPage,
    EventPage,
)

register_pages(admin.site, PAGES)
