"""An act in a real browser shows in the services that read it, and in no other, without reloading."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.browser.live_page import LivePage
from tests.running_demo import RunningDemo
from tests.waiting import wait_for

# What a visitor may have to wait, on a machine that runs other tests too.
SOON_SECONDS = 3.0


@pytest.fixture
def page(demo: RunningDemo, browser: Chrome) -> LivePage:
    return LivePage(browser, demo.url)


def unique(word: str) -> str:
    return f"{word} {uuid.uuid4().hex[:8]}"


def settle(page: LivePage) -> None:
    """Waits until whatever came before has been read by everyone: one more act of each kind has."""
    before, term = page.events(), unique("settled")
    page.search(term)
    page.click_banner("Letters")
    page.wait_for_event(term, {"search-trends", "active-users"})
    page.wait_for_event("Letters", {"marketing", "active-users"}, other_than=before)


def test_a_login_a_search_and_a_click_show_in_the_services_that_read_them_and_in_no_other(page: LivePage) -> None:
    name, term = page.sign_up(), unique("snow")
    page.open()
    page.search(term)
    page.click_banner("Castle tours")

    page.wait_for_event(f"{name} logged in", {"active-users"})
    page.wait_for_event(f"{name} searched for {term}", {"search-trends", "active-users"})
    page.wait_for_event(f"{name} clicked Castle tours", {"marketing", "active-users"})
    settle(page)

    seen = {event.what: (event.topic, set(event.readers)) for event in page.events() if name in event.what}
    assert seen[f"{name} logged in"] == ("login", {"active-users"})
    assert seen[f"{name} searched for {term}"] == ("search_term", {"search-trends", "active-users"})
    assert seen[f"{name} clicked Castle tours"] == ("banner_click", {"marketing", "active-users"})
    assert page.is_the_same_page


def test_a_click_changes_marketing_and_active_users_alone(page: LivePage) -> None:
    name = page.sign_up()
    page.open()
    settle(page)
    clicks, searches = page.figure("marketing"), page.figure("trends")

    page.click_banner("Samsa")
    page.wait_for_event(f"{name} clicked Samsa", {"marketing", "active-users"})

    wait_for(lambda: page.figure("marketing") == clicks + 1, 10, lambda: page.panel("marketing"))
    assert page.figure("trends") == searches
    assert name in page.panel("active")
    assert "clicked" in page.panel("active")


def test_a_search_changes_trends_and_active_users_alone(page: LivePage) -> None:
    name, term = page.sign_up(), unique("beetle")
    page.open()
    settle(page)
    clicks, searches = page.figure("marketing"), page.figure("trends")

    page.search(term)
    page.wait_for_event(f"{name} searched for {term}", {"search-trends", "active-users"})

    wait_for(lambda: page.figure("trends") == searches + 1, 10, lambda: page.panel("trends"))
    assert page.figure("marketing") == clicks


def test_a_click_is_counted_on_each_arrow_that_it_takes_and_on_no_other(page: LivePage) -> None:
    page.open()
    settle(page)
    before = page.arrows()

    page.click_banner("Night train")

    ways = {"site-banner_click", "banner_click-marketing", "banner_click-active-users"}
    after = {way: count + (way in ways) for way, count in before.items()}
    assert ways <= set(before)
    wait_for(lambda: page.arrows() == after, 10, lambda: f"{after}, not {page.arrows()}")


def test_an_act_of_a_guest_is_seen_but_makes_nobody_active(page: LivePage) -> None:
    page.open()
    term = unique("guest")
    active = page.figure("active")

    page.search(term)
    event = page.wait_for_event(term, {"search-trends", "active-users"})

    assert event.what.startswith("a guest searched")
    assert page.figure("active") == active


def test_an_act_is_on_the_page_within_a_second_or_so(page: LivePage) -> None:
    page.open()
    settle(page)
    term = unique("quick")

    page.search(term)
    since = time.monotonic()
    event = page.wait_for_event(term, {"search-trends", "active-users"}, timeout=SOON_SECONDS)

    assert time.monotonic() - since < SOON_SECONDS
    assert max(event.readers.values()) < 1000 * SOON_SECONDS


def test_what_a_visitor_types_is_text_on_the_page_and_never_markup(page: LivePage) -> None:
    page.open()
    tag = uuid.uuid4().hex[:8]

    page.search(f"<img src=x onerror='window.isHacked=1'>{tag}")
    event = page.wait_for_event(tag, {"search-trends", "active-users"})

    assert "<img src=x" in event.what
    assert page.driver.execute_script("return window.isHacked") is None
    assert not page.driver.find_elements(By.CSS_SELECTOR, "#board img")


def test_a_paused_page_stands_still_and_catches_up_afterwards(page: LivePage) -> None:
    page.open()
    button = page.driver.find_element(By.ID, "pause")
    button.click()
    before, term = page.panel("events"), unique("paused")
    page.search(term)
    other = LivePage(page.driver, page.url)
    page.driver.switch_to.new_window("tab")
    other.open()
    other.wait_for_event(term, {"search-trends", "active-users"})

    page.driver.switch_to.window(page.driver.window_handles[0])
    assert term not in page.panel("events")
    assert before.splitlines()[0] == page.panel("events").splitlines()[0]
    page.driver.find_element(By.ID, "pause").click()

    page.wait_for_event(term, {"search-trends", "active-users"})


@pytest.fixture
def take_all_streams(demo: RunningDemo) -> Iterator[Callable[[], None]]:
    """Others take what is free, and leave at the end."""
    with ExitStack() as others:

        def take() -> None:
            while others.enter_context(open_stream(demo)).status == 200:
                pass

        yield take

    def is_free() -> bool:
        with open_stream(demo) as other:
            return other.status == 200

    wait_for(is_free, 20, "a stream is free again", interval=0.5)


@contextmanager
def open_stream(demo: RunningDemo) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection(demo.url.removeprefix("http://"), timeout=20)) as connection:
        connection.request("GET", "/live/stream/")
        with connection.getresponse() as response:
            yield response


def test_who_finds_all_streams_taken_sees_the_page_a_few_seconds_late(
    page: LivePage, take_all_streams: Callable[[], None]
) -> None:
    def has_found_none() -> bool:
        # The site may learn late that a browser has left its page, and have a stream free again.
        take_all_streams()
        return page.reload() == "live, every few seconds"

    wait_for(has_found_none, 60, "the page finds no stream free")
    term = unique("late")

    page.search(term)

    page.wait_for_event(term, {"search-trends", "active-users"})


def test_a_click_on_the_front_page_leads_to_the_offer(page: LivePage) -> None:
    page.driver.get(page.url)

    page.driver.find_element(By.XPATH, "//button[contains(., 'Night train')]").click()

    wait_for(lambda: page.driver.current_url.endswith("/banners/night-train/"), 10, lambda: page.driver.current_url)


def test_the_browser_has_nothing_to_complain_about(page: LivePage) -> None:
    page.open()
    settle(page)

    assert [entry["message"] for entry in page.driver.get_log("browser")] == []
