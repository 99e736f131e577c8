"""The site that visitors see. Nothing here waits for Kafka: what they do is saved, and the relay takes it on."""

from __future__ import annotations

from django import forms
from django.contrib.auth import login
from django.contrib.auth.forms import UserCreationForm
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.templatetags.static import static
from django.views.decorators.http import require_POST, require_safe

from .models import Article, Banner, BannerClick, SearchQuery


class SearchForm(forms.Form):
    q = forms.CharField(max_length=SearchQuery._meta.get_field("term").max_length)


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    articles = Article.objects.all()
    return render(request, "activitylog/home.html", {"articles": articles, "banners": show_banners()})


@require_safe
def icon(request: HttpRequest) -> HttpResponse:
    """What browsers ask for on pages that name none, as those of the admin."""
    return redirect(static("activitylog/icon.svg"))


@require_safe
def article(request: HttpRequest, slug: str) -> HttpResponse:
    found = get_object_or_404(Article, slug=slug)
    return render(request, "activitylog/article.html", {"article": found, "banners": show_banners(2)})


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Lists the articles that match, and saves what was searched for."""
    form = SearchForm(request.GET if "q" in request.GET else None)
    articles, term = Article.objects.none(), ""
    if form.is_valid():
        term = form.cleaned_data["q"]
        articles = Article.objects.filter(
            Q(title__icontains=term) | Q(summary__icontains=term) | Q(body__icontains=term)
        )
        if is_an_act(request):
            SearchQuery.objects.create(term=term, user=visitor(request))
    context = {"form": form, "term": term, "articles": articles, "banners": show_banners(2)}
    return render(request, "activitylog/search.html", context, status=400 if form.errors else 200)


@require_safe
def banner(request: HttpRequest, slug: str) -> HttpResponse:
    return render(request, "activitylog/banner.html", {"banner": get_object_or_404(Banner, slug=slug)})


@require_POST
def click_banner(request: HttpRequest, slug: str) -> HttpResponse:
    """Saves the click and leads to what was advertised."""
    clicked = get_object_or_404(Banner, slug=slug)
    BannerClick.objects.create(banner=clicked, user=visitor(request))
    return redirect(clicked)


def sign_up(request: HttpRequest) -> HttpResponse:
    """Makes an account and logs it in: the account and its first login event are there together or not at all."""
    if request.user.is_authenticated:
        return redirect("home")
    form: UserCreationForm = UserCreationForm(request.POST or None)
    if form.is_valid():
        with transaction.atomic():
            login(request, form.save())
        return redirect("home")
    return render(request, "registration/signup.html", {"form": form})


def show_banners(count: int | None = None) -> list[Banner]:
    """Returns that many banners, all without a number, and counts a view of each."""
    shown = list(Banner.objects.order_by("?")[:count] if count else Banner.objects.all())
    Banner.objects.filter(pk__in=[each.pk for each in shown]).update(views=F("views") + 1)
    return shown


def visitor(request: HttpRequest):
    """Returns the user, None for a guest."""
    return request.user if request.user.is_authenticated else None


def is_an_act(request: HttpRequest) -> bool:
    """Tells a visitor's own request from one that the browser makes ahead of time, in case they will."""
    return request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", "")
