from django.contrib import admin
from django.contrib.auth import views as auth_views
from django.urls import path

from . import live, views

urlpatterns = [
    path("", views.home, name="home"),
    path("favicon.ico", views.icon),
    path("articles/<slug:slug>/", views.article, name="article"),
    path("search/", views.search, name="search"),
    path("banners/<slug:slug>/", views.banner, name="banner"),
    path("banners/<slug:slug>/click/", views.click_banner, name="click_banner"),
    path("live/", live.page, name="live"),
    path("live/stream/", live.stream, name="live_stream"),
    path("live/panels/", live.panels, name="live_panels"),
    path("accounts/signup/", views.sign_up, name="signup"),
    path("accounts/login/", auth_views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", auth_views.LogoutView.as_view(), name="logout"),
    path("admin/", admin.site.urls),
]
