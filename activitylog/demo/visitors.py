"""Simulated visitors: they use the site as people do, over HTTP, so that what they do takes the whole way."""

from __future__ import annotations

import random
import re
import secrets
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Callable
from http.cookiejar import CookieJar

from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from django.db import connections

NAMES = ("ada", "milena", "felix", "ottla", "greta", "josef", "leni", "brod", "frieda", "barnabas", "olga", "karl")
TERMS = (
    *("castle",) * 6,
    *("metamorphosis",) * 5,
    *("letter",) * 4,
    *("trial",) * 4,
    *("beetle",) * 3,
    *("prague",) * 3,
    *("partition", "partition", "offset", "outbox", "bookmark", "counter", "messenger", "snow", "bed"),
)
EMAIL = "simulated@visitor.invalid"
CLICK_URL = re.compile(r'action="(/banners/[\w-]+/click/)"')
GUESTS = 3
THREADS = 4
REPORT_SECONDS = 10
TIMEOUT_SECONDS = 20


class Visitor:
    """Somebody with a browser; a guest where no password is given."""

    def __init__(self, url: str, name: str = "", password: str = "") -> None:
        self._url = url
        self._name = name
        self._password = password
        self._cookies = CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        self._is_here = False

    def act(self, chance: random.Random) -> str:
        """Does one thing that becomes an event, and returns its topic."""
        if not self._is_here or (self._name and chance.random() < 0.02):
            self._is_here = True
            self._open("/")
            if self._name:
                return self._log_in()
        return self._click(chance) if chance.random() < 0.3 else self._search(chance)

    def _log_in(self) -> str:
        self._cookies.clear()
        self._open("/accounts/login/")
        self._send("/accounts/login/", username=self._name, password=self._password)
        return "login"

    def _search(self, chance: random.Random) -> str:
        self._open("/search/?" + urllib.parse.urlencode({"q": chance.choice(TERMS)}))
        return "search_term"

    def _click(self, chance: random.Random) -> str:
        clicks = CLICK_URL.findall(self._open("/"))
        # The first ones are looked at most.
        self._send(chance.choices(clicks, weights=range(len(clicks) + 2, 2, -1))[0])
        return "banner_click"

    def _open(self, path: str) -> str:
        with self._browser.open(self._url + path, timeout=TIMEOUT_SECONDS) as response:
            return response.read().decode()

    def _send(self, path: str, **fields: str) -> None:
        token = next((cookie.value for cookie in self._cookies if cookie.name == "csrftoken"), "") or ""
        data = urllib.parse.urlencode({"csrfmiddlewaretoken": token, **fields}).encode()
        with self._browser.open(self._url + path, data, timeout=TIMEOUT_SECONDS) as response:
            response.read()


def simulate(url: str, acts_per_second: float, report: Callable[[str], object]) -> None:
    """Lets visitors act that often, together, until the process is stopped."""
    visitors = [Visitor(url, name, password) for name, password in sign_up_all()]
    visitors += [Visitor(url) for _ in range(GUESTS)]
    counts: Counter[str] = Counter()
    for turn in range(THREADS):
        arguments = (visitors[turn::THREADS], THREADS / acts_per_second, counts)
        threading.Thread(target=keep_acting, args=arguments, daemon=True).start()
    while True:
        time.sleep(REPORT_SECONDS)
        report(", ".join(f"{count} {what}" for what, count in sorted(counts.items())) or "nothing so far")


def sign_up_all() -> list[tuple[str, str]]:
    """Returns names and passwords of the visitors' accounts; the password lasts as long as the process."""
    password = secrets.token_urlsafe(12)
    digest = make_password(password)
    users = get_user_model()._default_manager
    # Somebody real may have taken one of the names: their account is not ours to touch.
    taken = set(users.filter(username__in=NAMES).exclude(email=EMAIL).values_list("username", flat=True))
    names = [name for name in NAMES if name not in taken]
    for name in names:
        users.update_or_create(username=name, email=EMAIL, defaults={"password": digest})
    connections.close_all()
    return [(name, password) for name in names]


def keep_acting(visitors: list[Visitor], pause_seconds: float, counts: Counter[str]) -> None:
    chance = random.Random()
    next_at = time.monotonic() + chance.random() * pause_seconds
    while True:
        time.sleep(max(0, next_at - time.monotonic()))
        # Who can't keep up acts less often, rather than in bursts.
        next_at = max(next_at + pause_seconds, time.monotonic())
        try:
            counts[chance.choice(visitors).act(chance)] += 1
        except (urllib.error.URLError, OSError) as error:
            counts[f"failed ({getattr(error, 'code', type(error).__name__)})"] += 1
