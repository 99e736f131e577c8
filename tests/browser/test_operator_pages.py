"""The operator's pages in a real browser, of processes that run: refreshed by themselves, and acted on."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from tests.running_demo import RunningDemo
from tests.waiting import wait_for

APP = "/admin/kafka_integration/"
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
    """Dead letters of one kind, and messages that Kafka refused."""
    letter = {
        "consumer": "marketing", "group": "marketing", "topic": "banner_click", "topic_id": "", "partition": 0,
        "headers": "[]", "exception": "activitylog.handlers.SomethingWentWrongError", "kind": "aaaa", "reason": "",
        "traceback": "", "failed_at": "2026-01-02 03:04:05", "attempts": 5, "state": "parked", "lease_holder": "",
    }  # fmt: skip
    refused = {"topic": "our_topic", "key": b"key", "value": b"v", "headers": "[]", "refused_at": "2026-01-02 03:04:05"}
    with sqlite3.connect(demo.database, timeout=20) as database:
        for number in range(3):
            _insert(database, "deadletter", {**letter, "offset": 1_000_000 + number})
        for _ in range(2):
            _insert(database, "outboxmessage", {**refused, "refusal": "too large"})


def _insert(database: sqlite3.Connection, table: str, values: dict[str, object]) -> None:
    names, marks = ", ".join(f'"{name}"' for name in values), ", ".join("?" for _ in values)
    database.execute(f"INSERT INTO kafka_integration_{table} ({names}) VALUES ({marks})", tuple(values.values()))


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


class Operator:
    """Acts on the pages and reads them, by keyboard where a button is pressed."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self._driver = driver
        self._site = url

    @property
    def url(self) -> str:
        return str(self._driver.current_url)

    def open(self, path: str) -> None:
        self._driver.get(f"{self._site}{APP}{path}")

    def press(self, selector: str) -> None:
        """What leads to another page, or to this one anew: returns when that has come."""
        self._driver.execute_script("window.left = false")
        self.unfold(selector)
        loaded = "return window.left === undefined && document.readyState === 'complete'"
        wait_for(lambda: self._driver.execute_script(loaded), 40, f"the page behind {selector}")

    def unfold(self, selector: str) -> None:
        """What changes on the page that is there."""
        self._driver.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.ENTER)

    def tick(self, selector: str) -> None:
        self._driver.find_element(By.CSS_SELECTOR, selector).send_keys(Keys.SPACE)

    def choose(self, selector: str, value: str) -> None:
        Select(self._driver.find_element(By.CSS_SELECTOR, selector)).select_by_value(value)

    def write(self, **texts: str) -> None:
        """Into fields, by their names."""
        for name, text in texts.items():
            field = self._driver.find_element(By.CSS_SELECTOR, f"#content [name={name}]")
            field.clear()
            field.send_keys(text)

    def text(self, selector: str) -> str:
        """What all that it selects says; nothing where that is being replaced."""
        script = "return Array.from(document.querySelectorAll(arguments[0]), (e) => e.innerText).join('\\n')"
        return str(self._driver.execute_script(script, selector))

    def told(self, words: str) -> None:
        """Waits until the page that comes tells it."""
        wait_for(lambda: words in self.text(".messagelist"), 40, lambda: self.text(".messagelist, #content"))


@pytest.fixture
def operator(demo: RunningDemo, browser: Chrome, sign_in: SignIn) -> Operator:
    sign_in(browser)
    return Operator(browser, demo.url)


def test_a_consumer_is_paused_and_resumed_by_its_buttons(operator: Operator) -> None:
    operator.open("processes/")

    operator.press("button[id^=pause-][id$=-marketing]")
    operator.told("1 process was asked to pause.")
    wait_for(lambda: "paused by an operator" in operator.text("[id^=partition-][id*=-marketing-]"), 30, "it is paused")
    operator.press("button[id^=resume-][id$=-marketing]")
    operator.told("1 process was asked to resume.")

    wait_for(lambda: "paused" not in operator.text("[id^=partition-][id*=-marketing-]"), 30, "it goes on")
    assert "failed" not in operator.text("[id^=command-]")


def test_a_group_is_moved_after_a_look_at_the_plan(operator: Operator) -> None:
    operator.open("group/active-users/")
    wait_for(lambda: "login[" in operator.text("#members + table"), 40, "its processes say what they own")
    operator.write(to="earliest", topic="login")

    operator.press("form.kafka-form button")
    plan = wait_for(lambda: operator.text("#kafka-live ~ table"), 20, "the plan")
    operator.press("#reset-offsets")

    operator.told(f"{plan.count('login[')} partitions were moved.")
    assert "login[0]" in plan


def test_a_message_is_found_by_its_key_and_leads_to_the_way_of_its_event(operator: Operator) -> None:
    operator.open("messages/login/")
    operator.write(start="earliest")
    operator.press(".kafka-form button")
    key = wait_for(lambda: operator.text("td[data-label=Key]").split("\n")[0], 20, "a login")
    operator.write(key=key)
    operator.press(".kafka-form button")
    assert "key=" in operator.url
    operator.unfold("summary")
    line = wait_for(lambda: operator.text("details[open] pre.kafka-block").split("\n")[0], 5, "how it is sent again")

    operator.open("events/")
    operator.write(id=line.partition("ce_id=")[2].partition(" ")[0])
    operator.press("form[role=search] button")

    assert line.startswith("python manage.py kafkaproduce ")
    assert f"--key={key}" in line
    wait_for(lambda: "active-users" in operator.text("#kafka-live"), 20, lambda: operator.text("#content"))


def test_dead_letters_are_replayed_one_by_one_and_by_their_kind(operator: Operator) -> None:
    operator.open("deadletter/")
    operator.press("#result_list tbody tr:first-child th a")
    operator.press("button.kafka-replay")
    operator.told("1 dead letter will be replayed")
    operator.open("deadletter/")
    operator.press("#kind-aaaa a")

    operator.tick("#result_list tbody tr:last-child .action-select")
    operator.choose("select[name=action]", "replay_kind_selected")
    operator.press("button[name=index]")

    operator.told("2 dead letters will be replayed")


def test_a_refused_message_is_retried_by_its_button(operator: Operator) -> None:
    operator.open("outboxmessage/?refused_at__isempty=0")
    operator.press("#result_list tbody tr:first-child th a")

    operator.press("button.kafka-retry")

    operator.told("1 message will be sent again.")


def test_what_can_not_be_undone_takes_a_second_press(operator: Operator) -> None:
    operator.open("processes/")
    operator.unfold("[id^=asks-] > summary")
    asked = wait_for(lambda: operator.text("[id^=asks-][open] p"), 5, "what stopping does")
    operator.open("outboxmessage/?refused_at__isempty=0")
    operator.press("#result_list tbody tr:first-child th a")
    operator.unfold(".kafka-asks > summary")
    wait_for(lambda: "is never sent" in operator.text(".kafka-asks[open] p"), 5, "what discarding does")

    operator.press(".kafka-asks button")

    assert "and ends." in asked
    operator.told("1 message was discarded.")
