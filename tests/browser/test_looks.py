"""Every page fits a telephone, is readable in light and dark, and can be used without seeing it."""

from __future__ import annotations

from typing import Any
from urllib.request import urlopen

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser.live_page import LivePage
from tests.running_demo import RunningDemo
from tests.services.chromium import Browsers

PATHS = (
    "/",
    "/search/?q=castle",
    "/search/?q=nothing-of-the-kind",
    "/articles/castle/",
    "/banners/letters/",
    "/accounts/login/",
    "/accounts/signup/",
    "/live/",
)

# Contrast as WCAG 2 counts it, of each element with text of its own against the first background behind it.
CONTRASTS = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const part = (c) => ((c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
const luminance = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
const behind = (element) => {
  for (; element; element = element.parentElement) {
    const colour = numbers(getComputedStyle(element).backgroundColor);
    if (colour.length === 3 || colour[3] === 1) return colour;
  }
  return [255, 255, 255];
};
return Array.from(document.body.querySelectorAll("*"))
  .filter((e) => !e.closest("svg, noscript, script, .hidden, [hidden]"))
  .filter((e) => Array.from(e.childNodes).some((n) => n.nodeType === 3 && n.nodeValue.trim()) || e.placeholder)
  .map((e) => {
    const [light, dark] = [luminance(numbers(getComputedStyle(e).color)), luminance(behind(e))].sort((a, b) => b - a);
    return [(light + 0.05) / (dark + 0.05), e.outerHTML.slice(0, 90)];
  });
"""

NAMELESS = """
const label = (e) => e.getAttribute("aria-label") || e.labels?.[0]?.textContent || e.textContent || e.title;
return Array.from(document.querySelectorAll("a, button, input:not([type=hidden]), select, summary, progress"))
  .filter((e) => !label(e).trim()).map((e) => e.outerHTML);
"""


@pytest.fixture(scope="module", autouse=True)
def something_to_see(demo: RunningDemo) -> None:
    """Long words, which are what breaks a narrow page."""
    for term in ("castle", "Donaudampfschifffahrtsgesellschaftskapitänsmützenabzeichen".encode().hex()[:99]):
        with urlopen(f"{demo.url}/search/?q={term}") as response:
            assert response.status == 200


def visit(driver: Chrome, demo: RunningDemo, path: str) -> None:
    page = LivePage(driver, demo.url)
    if path == "/live/":
        page.open()
        page.wait_for_event("castle", {"search-trends", "active-users"})
    else:
        driver.get(demo.url + path)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_no_page_is_wider_than_a_telephone(demo: RunningDemo, chromium: Browsers, dark: bool) -> None:
    driver = chromium.open(width=360, height=740, dark=dark)
    widths: dict[str, Any] = {}

    for path in PATHS:
        visit(driver, demo, path)
        widths[path] = driver.execute_script("return document.documentElement.scrollWidth")

    assert {path: width for path, width in widths.items() if width > 360} == {}


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_its_background(demo: RunningDemo, chromium: Browsers, dark: bool, width: int) -> None:
    driver = chromium.open(width=width, dark=dark)
    faint: list[tuple[str, float, str]] = []

    for path in PATHS:
        visit(driver, demo, path)
        contrasts = driver.execute_script(CONTRASTS)
        assert len(contrasts) > 8
        faint += [(path, contrast, html) for contrast, html in contrasts if contrast < 4.5]

    assert faint == []


def test_who_prefers_dark_gets_dark(demo: RunningDemo, chromium: Browsers) -> None:
    backgrounds = []
    for dark in (False, True):
        driver = chromium.open(dark=dark)
        driver.get(demo.url)
        colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor.match(/[\\d.]+/g)")
        backgrounds.append(sum(int(part) for part in colour[:3]) / 3)

    light, dark_one = backgrounds
    assert light > 200
    assert dark_one < 50


def test_everything_that_can_be_used_has_a_name_and_headings_are_in_order(demo: RunningDemo, browser: Chrome) -> None:
    for path in PATHS:
        visit(browser, demo, path)

        assert browser.execute_script(NAMELESS) == [], path
        assert len(browser.find_elements(By.TAG_NAME, "h1")) == 1, path
        assert len(browser.find_elements(By.TAG_NAME, "main")) == 1, path
        ids = browser.execute_script("return Array.from(document.querySelectorAll('[id]'), (e) => e.id)")
        assert len(ids) == len(set(ids)), path


def test_the_keyboard_reaches_the_search_and_its_focus_can_be_seen(demo: RunningDemo, browser: Chrome) -> None:
    browser.get(demo.url)
    body = browser.find_element(By.TAG_NAME, "body")

    for _ in range(8):
        body.send_keys("\ue004")
        focused = browser.switch_to.active_element
        if focused.get_attribute("id") == "q":
            break

    assert focused.get_attribute("id") == "q"
    assert focused.value_of_css_property("outline-style") == "solid"


def test_new_events_are_announced_politely(demo: RunningDemo, browser: Chrome) -> None:
    page = LivePage(browser, demo.url)
    page.open()

    announcer = browser.find_element(By.ID, "announcer")

    assert announcer.get_attribute("aria-live") == "polite"
    assert not browser.find_element(By.CSS_SELECTOR, "[data-panel=events]").get_attribute("aria-live")
