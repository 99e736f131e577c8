"""The operator's pages in a real browser: on a telephone and a desk, in light and dark, by keyboard, and refreshed."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser.test_looks import CONTRASTS, NAMELESS
from tests.running_demo import RunningDemo
from tests.services.chromium import Browsers
from tests.waiting import wait_for

APP = "/admin/kafka_integration/"
PATHS = (
    *(f"{APP}{name}/" for name in ("overview", "processes", "deadletter", "outboxmessage", "topics", "topic/login")),
    f"{APP}messages/login/?start=earliest",
    f"{APP}groups/",
    f"{APP}group/marketing/",
)

# What has to be scrolled sideways, or runs out of what it stands in. A telephone shows no heads of tables.
CUT_OFF = """
return Array.from(document.querySelectorAll("#content, #content .results, #content table, #content td, #content th"))
  .filter((e) => innerWidth > 767 || !e.closest("thead"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1)
  .map((e) => [e.outerHTML.slice(0, 90), e.scrollWidth, e.clientWidth]);
"""

SignIn = Callable[[Chrome], None]


@pytest.fixture(scope="module")
def sign_in(demo: RunningDemo) -> SignIn:
    """The account that the demo says to whoever started it."""
    name, password = demo.process.wait_for_output(r"sign in as (\S+) with the password (\S+)").groups()

    _make_something_to_see(demo)

    def enter(driver: Chrome) -> None:
        driver.get(f"{demo.url}/admin/login/")
        driver.find_element(By.NAME, "username").send_keys(name)
        driver.find_element(By.NAME, "password").send_keys(password)
        driver.find_element(By.CSS_SELECTOR, "[type=submit]").click()
        wait_for(lambda: driver.current_url == f"{demo.url}/admin/", 20, "the admin after signing in")
        driver.get_log("browser")  # Django's own page has no icon

    return enter


def _make_something_to_see(demo: RunningDemo) -> None:
    """Dead letters with long names, which are what breaks a narrow page."""
    with sqlite3.connect(demo.database, timeout=20) as database:
        for number in range(3):
            values = {
                "consumer": "marketing-of-the-whole-magazine",
                "group": "marketing",
                "topic": "banner_click",
                "offset": 1_000_000 + number,
                "exception": "activitylog.handlers.SomethingWentWrongError",
                "reason": "SQLSTATE 22003, and what else there is to say of it",
                "failed_at": "2026-01-02 03:04:05",
                "topic_id": "",
                "partition": 0,
                "headers": "[]",
                "attempts": 5,
                "traceback": "",
                "state": "parked",
                "lease_holder": "",
            }
            names = ", ".join(f'"{name}"' for name in values)
            marks = ", ".join("?" for _ in values)
            database.execute(
                f"INSERT INTO kafka_integration_deadletter ({names}) VALUES ({marks})", tuple(values.values())
            )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_are_readable_and_break_no_policy(
    demo: RunningDemo, chromium: Browsers, sign_in: SignIn, width: int, dark: bool
) -> None:
    driver = chromium.open(width=width, dark=dark)
    sign_in(driver)
    wrong: list[object] = []

    for path in PATHS:
        driver.get(demo.url + path)
        found = driver.execute_script("return document.documentElement.scrollWidth")
        wrong += [(path, "is wide", found)] if found > width else []
        wrong += [(path, "cuts off", found) for found in driver.execute_script(CUT_OFF)]
        # The search field is Django's own.
        nameless = driver.execute_script(
            NAMELESS.replace("input:not([type=hidden])", "input:not([type=hidden], #toolbar *)")
        )
        wrong += [(path, "is nameless", html) for html in nameless]
        contrasts = driver.execute_script(CONTRASTS.replace("document.body", "document.getElementById('content')"))
        assert contrasts
        wrong += [(path, "is faint", contrast, html) for contrast, html in contrasts if contrast < 4.5]
        messages = [entry["message"] for entry in driver.get_log("browser")]
        wrong += [(path, text) for text in messages if "favicon.ico" not in text]

    assert wrong == []


def test_the_overview_refreshes_itself_and_leaves_alone_what_has_not_changed(
    demo: RunningDemo, browser: Chrome, sign_in: SignIn
) -> None:
    sign_in(browser)
    browser.get(f"{demo.url}{APP}overview/")
    browser.execute_script("window.neverReloaded = true; window.row = document.getElementById('consumer-marketing');")
    before = browser.find_element(By.CSS_SELECTOR, ".kafka-as-of time").get_attribute("datetime")

    wait_for(
        lambda: browser.find_element(By.CSS_SELECTOR, ".kafka-as-of time").get_attribute("datetime") != before,
        30,
        "the page is fetched again",
    )

    assert browser.execute_script("return window.neverReloaded && window.row.isConnected")
    assert not browser.find_element(By.CSS_SELECTOR, ".kafka-stale").is_displayed()


def test_a_page_that_is_no_longer_refreshed_says_so(demo: RunningDemo, browser: Chrome, sign_in: SignIn) -> None:
    sign_in(browser)
    browser.get(f"{demo.url}{APP}overview/")
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["*overview*"]})

    stale = browser.find_element(By.CSS_SELECTOR, ".kafka-stale")

    wait_for(stale.is_displayed, 30, "the page says that it is old")
    browser.execute_cdp_cmd("Network.setBlockedURLs", {"urls": []})
    wait_for(lambda: not stale.is_displayed(), 30, "the page is as it is now again")


def test_moments_are_shown_by_the_browsers_clock(demo: RunningDemo, browser: Chrome, sign_in: SignIn) -> None:
    sign_in(browser)
    browser.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Pacific/Kiritimati"})

    browser.get(f"{demo.url}{APP}overview/")

    time = browser.find_element(By.CSS_SELECTOR, ".kafka-as-of time")
    by_the_browser = browser.execute_script(
        "const style = {dateStyle: 'medium', timeStyle: 'medium', timeZone: 'Pacific/Kiritimati'};"
        "return new Intl.DateTimeFormat('en', style).format(new Date(arguments[0].dateTime))",
        time,
    )
    assert time.text == by_the_browser
    assert time.get_attribute("title").endswith("UTC")


def test_the_keyboard_reaches_the_other_pages_first(demo: RunningDemo, browser: Chrome, sign_in: SignIn) -> None:
    sign_in(browser)
    browser.get(f"{demo.url}{APP}overview/#content-start")
    browser.execute_script("document.getElementById('content-start').focus()")

    browser.switch_to.active_element.send_keys("\ue004")

    assert browser.switch_to.active_element.get_attribute("aria-current") == "page"
