"""The live page as its user sees it."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection
from dataclasses import dataclass

from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from tests.waiting import wait_for

PASSWORD = "six-legs-and-a-back"


@dataclass(frozen=True, kw_only=True)
class SeenEvent:
    """A row of the stream."""

    key: str
    what: str
    topic: str
    readers: dict[str, int]


class LivePage:
    """Acts and looks, in one tab that is never loaded again."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def sign_up(self) -> str:
        name = f"visitor-{uuid.uuid4().hex[:8]}"
        self.driver.get(f"{self.url}/accounts/signup/")
        for field, text in (("username", name), ("password1", PASSWORD), ("password2", PASSWORD)):
            self.driver.find_element(By.NAME, field).send_keys(text)
        self.driver.find_element(By.CSS_SELECTOR, "main button").click()
        wait_for(lambda: self.driver.current_url == f"{self.url}/", 20, "the front page after signing up")
        return name

    def open(self) -> None:
        self.driver.get(f"{self.url}/live/")
        wait_for(lambda: self.driver.find_element(By.ID, "state").text == "live", 20, "the stream to be open")
        self.driver.execute_script("window.neverReloaded = true")

    def reload(self) -> str:
        """Load it, and say how it is kept up to date."""
        self.driver.get(f"{self.url}/live/")
        state = self.driver.find_element(By.ID, "state")
        return wait_for(lambda: state.text if state.text.startswith("live") else "", 20, "the page is live")

    @property
    def is_the_same_page(self) -> bool:
        return bool(self.driver.execute_script("return window.neverReloaded === true"))

    def search(self, term: str) -> None:
        self.driver.find_element(By.ID, "q").send_keys(term)
        self.driver.find_element(By.CSS_SELECTOR, ".act .search button").click()

    def click_banner(self, title: str) -> None:
        self.driver.find_element(By.XPATH, f"//*[contains(@class, 'clicks')]//button[contains(., '{title}')]").click()

    def panel(self, name: str) -> str:
        return str(self.driver.execute_script(f"return document.querySelector('[data-panel={name}]').innerText"))

    def figure(self, name: str) -> int:
        """The large number of a service."""
        return int(re.search(r"\d+", self.panel(name))[0])  # type: ignore[index]  # there always is one

    def arrows(self) -> dict[str, int]:
        """The numbers of the picture, by the two boxes that an arrow joins."""
        pairs = self.driver.execute_script(
            "return Array.from(document.querySelectorAll('.arrows b'), (b) => [b.dataset.key, Number(b.textContent)])"
        )
        return dict(pairs)

    def events(self) -> list[SeenEvent]:
        """All rows of the stream, read at one moment."""
        rows = self.driver.execute_script(
            """return Array.from(document.querySelectorAll('.events > li'), (row) => [
                row.dataset.key,
                row.querySelector('.what').textContent.replace(/\\s+/g, ' ').trim(),
                row.querySelector('.topic').textContent,
                Array.from(row.querySelectorAll('.reader'), (reader) => reader.textContent)])"""
        )
        return [
            SeenEvent(key=key, what=what, topic=place.split("[")[0], readers=_readers(texts))
            for key, what, place, texts in rows
        ]

    def wait_for_event(
        self, what: str, readers: set[str], timeout: float = 20, *, other_than: Collection[SeenEvent] = ()
    ) -> SeenEvent:
        """The event, once all these services have read it."""
        known = {event.key for event in other_than}

        def find() -> SeenEvent | None:
            unknown = (event for event in self.events() if event.key not in known)
            return next((event for event in unknown if what in event.what and readers <= set(event.readers)), None)

        event = wait_for(find, timeout, lambda: f"{what!r} at {readers} in {self.events()}")
        assert event is not None
        return event


def _readers(texts: list[str]) -> dict[str, int]:
    pairs = (text.rsplit(maxsplit=2) for text in texts)
    return {service: int(ms) for service, ms, _ in pairs}
