"""How the operator's pages look and are used: on a telephone and a desk, in light and dark, by keyboard.

The pictures in README and guides are made of them: `make pictures` makes them anew.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db.models.functions import Now
from django.test import Client
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from kafka_integration.admin.pages import PAGES
from kafka_integration.client.transports.memory import memory_broker
from kafka_integration.models import DeadLetter, OutboxMessage, Process
from tests.browser.scene import EVENT_ID, KAFKA, WRITTEN, keep_alive, set_the_scene
from tests.browser.test_looks import CONTRASTS, NAMELESS
from tests.dead_letters import make_letter
from tests.services.chromium import show_as
from tests.waiting import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("project_alone")]

APP = "/admin/kafka_integration/"
TAB = "\ue004"
# What is looked at, with what one does there first.
MAIN_ACTIONS = {
    "overview/": ".kafka-needs a",
    "processes/": "button[id^=pause-]",
    "groups/": "tbody a",
    "group/search/": "#kafka-to",
    "group/search/?to=earliest": "#reset-offsets",
    "topics/": "form[action*=apply] button",
    "topic/orders/": "a[href*=messages]",
    "messages/orders/?start=earliest": "tbody summary",
    "events/": "#event-id",
    f"event/{EVENT_ID}/": "tbody a[href*=deadletter]",
    "deadletter/": "select[name=action]",
    "deadletter/LETTER/change/": "button.kafka-replay",
    "outboxmessage/": "select[name=action]",
    "outboxmessage/REFUSED/change/": "button.kafka-retry",
}
PICTURES = {
    "overview": "overview/",
    "group": "group/search/",
    "dead-letters": "deadletter/?kind=kind-1",
    "event": f"event/{EVENT_ID}/",
}
NARROW = ("overview",)
MOST_BYTES = 150_000

# What has to be scrolled sideways, or runs out of what it stands in. A telephone shows no heads of tables.
CUT_OFF = """
return Array.from(document.querySelectorAll("#content, #content .results, #content table, #content td, #content th"))
  .filter((e) => innerWidth > 767 || !e.closest("thead"))
  .filter((e) => e.scrollWidth > e.clientWidth + 1 && e.clientWidth > 1)
  .map((e) => [e.outerHTML.slice(0, 90), e.scrollWidth, e.clientWidth]);
"""
# A label that can't break lies over its number in a language with longer words.
UNBREAKABLE = """
return Array.from(document.querySelectorAll("#content td[data-label]"))
  .filter((e) => getComputedStyle(e).display === "grid" && getComputedStyle(e, "::before").whiteSpace !== "normal")
  .map((e) => e.outerHTML.slice(0, 90));
"""
SPEECHLESS = """
return Array.from(document.querySelectorAll("#content svg"))
  .filter((e) => !(e.getAttribute("role") === "img" && e.getAttribute("aria-label")))
  .filter((e) => !e.closest("figure")?.querySelector("table caption + tbody td")?.textContent.trim())
  .map((e) => e.outerHTML.slice(0, 90));
"""
NAME = "customer_notifications_2"
LINES_OF = """
const texts = document.createTreeWalker(document.querySelector("#content"), NodeFilter.SHOW_TEXT);
const lines = [];
for (let text = texts.nextNode(); text; text = texts.nextNode()) {
  const place = text.data.indexOf(arguments[0]);
  if (place < 0 || text.parentElement.closest("nav, .visually-hidden")) continue;
  const range = document.createRange();
  range.setStart(text, place);
  range.setEnd(text, place + arguments[0].length);
  lines.push(range.getClientRects().length);
}
return lines;
"""
# They are longer than what they filter, and a picture is of what is at the top.
FOLD_MOST_FILTERS = """
document.querySelectorAll("#changelist-filter details:nth-of-type(n+3)").forEach((e) => e.open = false);
"""
BEGIN_BEHIND_THE_LINKS = """
(document.querySelector(".kafka-links li:last-child a") ?? document.getElementById("content-start")).focus();
"""
IS_FOCUSED = """
const focused = document.activeElement;
const style = getComputedStyle(focused);
return focused.matches(arguments[0]) ? [style.outlineStyle, style.boxShadow, style.textDecorationLine] : null;
"""

TOPS_OF_BUTTONS = """
return Array.from(document.querySelectorAll(".kafka-buttons")[0].querySelectorAll(":scope > form .button, summary"))
  .map((e) => e.getBoundingClientRect().top);
"""

Open = Callable[[str], None]


@pytest.fixture
def open_page(live_server: Any, settings: Any, browser: Chrome) -> Open:
    """Opens a page of the shop that has a bad morning, as somebody who may do everything."""
    settings.KAFKA = KAFKA
    set_the_scene()
    _sign_in(browser, live_server.url)
    ids = {
        "LETTER": DeadLetter.objects.latest("pk").pk,
        "REFUSED": OutboxMessage.objects.filter(refused_at__isnull=False).latest("pk").pk,
    }

    def open_it(path: str) -> None:
        keep_alive()
        for name, id in ids.items():
            path = path.replace(name, str(id))
        browser.get(f"{live_server.url}{APP}{path}")

    return open_it


def _sign_in(driver: Chrome, url: str) -> None:
    client = Client()
    client.force_login(User.objects.create_superuser("operator"))
    driver.get(f"{url}/accounts/login/")
    driver.add_cookie({"name": "sessionid", "value": client.cookies["sessionid"].value})
    driver.get_log("browser")  # the reference project's own page has no icon


def test_every_page_is_looked_at() -> None:
    looked_at = {path.partition("/")[0] for path in MAIN_ACTIONS}

    assert looked_at == {page.name for page in PAGES} | {"deadletter", "outboxmessage"}


@pytest.mark.parametrize("width", [360, 1280])
def test_pages_fit_are_readable_and_break_no_policy(open_page: Open, browser: Chrome, width: int) -> None:
    _add_long_names()
    wrong: list[object] = []

    for dark, path in product((False, True), MAIN_ACTIONS):
        show_as(browser, width, dark=dark)
        open_page(path)
        wrong += [(path, dark, problem) for problem in _problems_of(browser, width)]

    assert not wrong, "\n".join(map(str, wrong))


def _add_long_names() -> None:
    """Which are what breaks a narrow page, and a list beside its filters."""
    make_letter(
        consumer="marketing-of-the-whole-magazine",
        group="marketing",
        topic="banner_click",
        offset=1_000_000,
        exception="activitylog.handlers.SomethingWentWrongError",
        reason="SQLSTATE 22003, and what else there is to say of it",
    )
    OutboxMessage.objects.create(
        topic="Donaudampfschifffahrtsgesellschaftskapitaensmuetzenabzeichen" * 2, refused_at=Now()
    )


def _problems_of(browser: Chrome, width: int) -> Iterator[object]:
    if (found := browser.execute_script("return document.documentElement.scrollWidth")) > width:
        yield "is wide", found
    yield from (("cuts off", found) for found in browser.execute_script(CUT_OFF))
    yield from (("has a label that can't break", html) for html in browser.execute_script(UNBREAKABLE))
    # The search field is Django's own.
    nameless = NAMELESS.replace("input:not([type=hidden])", "input:not([type=hidden], #toolbar *)")
    yield from (("is nameless", html) for html in browser.execute_script(nameless))
    yield from (("has no words", html) for html in browser.execute_script(SPEECHLESS))
    contrasts = browser.execute_script(CONTRASTS.replace("document.body", "document.getElementById('content')"))
    yield from [] if contrasts else ["is empty"]
    yield from (("is faint", contrast, html) for contrast, html in contrasts if contrast < 4.5)
    messages = [entry["message"] for entry in browser.get_log("browser")]
    yield from (text for text in messages if "favicon.ico" not in text)


@pytest.mark.parametrize("width", [360, 1280])
def test_opened_tables_of_charts_leave_pages_as_wide_as_they_are(open_page: Open, browser: Chrome, width: int) -> None:
    wide: dict[str, int] = {}

    for path in ("overview/", "groups/", "group/search/"):
        show_as(browser, width)
        open_page(path)
        browser.execute_script("document.querySelectorAll('.kafka-chart details').forEach((e) => { e.open = true; })")
        wide[path] = browser.execute_script("return document.documentElement.scrollWidth")

    assert {path: found for path, found in wide.items() if found > width} == {}


def test_on_a_desk_buttons_are_in_one_line_and_times_are_not_torn(open_page: Open, browser: Chrome) -> None:
    show_as(browser, 1280)
    open_page("processes/")
    tops = browser.execute_script(TOPS_OF_BUTTONS)
    open_page("group/search/")
    white_space = browser.execute_script("return getComputedStyle(document.querySelector('.kafka-span')).whiteSpace")

    assert len(set(tops)) == 1
    assert white_space == "nowrap"


def test_the_keyboard_reaches_what_one_does_on_each_page_and_it_shows(open_page: Open, browser: Chrome) -> None:
    unreached: dict[str, object] = {}

    for path, selector in MAIN_ACTIONS.items():
        open_page(path)
        # That the links come first is looked at elsewhere.
        browser.execute_script(BEGIN_BEHIND_THE_LINKS)
        focused = next(filter(None, (_tab(browser, selector) for _ in range(30))), None)
        if focused is None or {*focused} <= {"none"}:
            unreached[path] = focused

    assert unreached == {}


def _tab(browser: Chrome, selector: str) -> Any:
    browser.switch_to.active_element.send_keys(TAB)
    return browser.execute_script(IS_FOCUSED, selector)


def test_names_are_whole_where_there_is_room(open_page: Open, browser: Chrome) -> None:
    partitions = [{"topic": "customer_notifications", "partition": 11, "state": "stuck", "stuck_offset": 1_234_567}]
    consumer = {"name": NAME, "group": "g", "state": "running", "handled": 7, "failed": 0, "rate": 1234.5}
    Process.objects.create(
        kind="consumer", host="h", pid=7, state="running", consumers=[{**consumer, "partitions": partitions}]
    )
    make_letter(exception=f"smtplib.{NAME}")
    broken = []

    for path in ("overview/", "deadletter/"):
        show_as(browser, 1280)
        open_page(path)
        broken += [(path, lines) for lines in browser.execute_script(LINES_OF, NAME) if lines != 1]

    assert broken == []


def test_on_a_telephone_the_name_of_an_action_can_be_read(open_page: Open, browser: Chrome) -> None:
    make_letter()
    show_as(browser, 360)

    open_page("deadletter/")

    assert browser.find_element(By.NAME, "action").size["width"] > 200


KEY = "the-hand-of-an-order"


@pytest.mark.parametrize("width", [360, 1280])
def test_names_and_keys_are_in_one_piece_beside_wide_values(open_page: Open, browser: Chrome, width: int) -> None:
    wide = "".join(f"{number}" for number in range(2_000))
    memory_broker().produce("orders", wide, key=KEY, partition=0, headers=[("x-of-the-header", wide.encode())])
    show_as(browser, width)

    open_page(f"messages/orders/?partition=0&start={WRITTEN['orders'][0]}")
    browser.find_element(By.CSS_SELECTOR, "tbody summary").click()

    lines = [browser.execute_script(LINES_OF, name)[0] for name in (KEY, "x-of-the-header")]
    assert lines == [1, 1]
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_what_is_stuck_leads_to_its_message_and_to_its_process(open_page: Open, browser: Chrome) -> None:
    shown = []

    for selector in (".kafka-needs a[href*=messages]", ".kafka-needs a[href*=process-]"):
        open_page("overview/")
        browser.find_element(By.CSS_SELECTOR, selector).click()
        wait_for(lambda: "overview" not in browser.current_url, 20, selector)
        shown.append(browser.current_url.partition(APP)[2])

    process = Process.objects.get(host="shop-worker-1")
    assert shown == ["messages/orders/?partition=3&start=1632", f"processes/#process-{process.pk}"]
    assert browser.find_elements(By.ID, f"trace-{process.pk}")


def test_pictures_of_them_are_whole_and_small(open_page: Open, browser: Chrome, tmp_path: Path) -> None:
    folder = Path(os.environ.get("PICTURES") or tmp_path)
    # The rest of the project's admin is not what a picture is of.
    browser.execute_script("localStorage.setItem('django.admin.navSidebarIsOpen', 'false')")
    browser.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    sizes: dict[str, int] = {}

    for (width, names), dark in product(((1120, PICTURES), (360, NARROW)), (False, True)):
        show_as(browser, width, 400, dark)
        for name in names:
            open_page(PICTURES[name])
            browser.execute_script(FOLD_MOST_FILTERS)
            file = folder / f"{name}{'-narrow' if width < 600 else ''}{'-dark' if dark else ''}.png"
            file.write_bytes(_picture_of(browser))
            sizes[file.name] = file.stat().st_size

    assert len(sizes) == 10
    assert {name: size for name, size in sizes.items() if not 5_000 < size <= MOST_BYTES} == {}


def _picture_of(browser: Chrome) -> bytes:
    """The page from its top to the end of what it says."""
    width, height = browser.execute_script(
        "return [innerWidth, document.getElementById('content').getBoundingClientRect().bottom]"
    )
    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return base64.b64decode(taken["data"])
