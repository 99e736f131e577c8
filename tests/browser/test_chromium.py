"""The browser that the other tests here look through is the one they ask for."""

from __future__ import annotations

_PAGE = "data:text/html,<meta name=viewport content='width=device-width'><p>Hello"
_WHAT_IT_IS = "return [innerWidth, matchMedia('(prefers-color-scheme: dark)').matches]"


def test_a_narrow_dark_browser_and_a_wide_light_one_differ(chromium):
    phone = chromium.open(width=360, height=800, dark=True)
    desktop = chromium.open(width=1280, height=900)
    phone.get(_PAGE)
    desktop.get(_PAGE)

    seen = phone.execute_script(_WHAT_IT_IS), desktop.execute_script(_WHAT_IT_IS)

    assert seen == ([360, True], [1280, False])
