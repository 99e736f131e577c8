"""A real Chromium without a screen, steered through its own driver."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests import orphans

_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    # Nothing but this machine is ever asked.
    "--proxy-server=direct://",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
)


def missing_for_chromium() -> str | None:
    """What this machine lacks to run Chromium, or None."""
    if _browser() and shutil.which("chromedriver"):
        return None
    return "no Chromium or chromedriver (Debian: apt-get install chromium chromium-driver)"


class Browsers:
    """Opens browsers, each with a profile of its own, and closes all of them."""

    def __init__(self) -> None:
        self._open: list[tuple[webdriver.Chrome, Path, int]] = []

    def open(self, width: int = 1280, height: int = 900, dark: bool = False) -> webdriver.Chrome:
        """A browser with a window of this size; `dark` is what it tells pages the visitor prefers."""
        profile = Path(tempfile.mkdtemp(prefix="chromium-"))
        orphans.adopt("directory", str(profile))
        environment = {**os.environ, "TMPDIR": str(profile)}  # what Chromium forgets to remove goes with the profile
        service = Service(shutil.which("chromedriver"), env=environment, popen_kw={"start_new_session": True})
        driver = webdriver.Chrome(options=_options(profile), service=service)
        orphans.adopt("session", service.process.pid)
        self._open.append((driver, profile, service.process.pid))
        show_as(driver, width, height, dark)
        return driver

    def close(self) -> None:
        while self._open:
            driver, profile, session = self._open.pop()
            with contextlib.suppress(Exception):  # a browser that crashed can't quit; its processes are ended next
                driver.quit()
            orphans.end_session(session)
            orphans.release("session", session)
            shutil.rmtree(profile, ignore_errors=True)
            orphans.release("directory", str(profile))


def show_as(driver: webdriver.Chrome, width: int, height: int = 900, dark: bool = False) -> None:
    """Have what it loads from now on shown in a window of this size, in light or in dark."""
    # A window can't be narrower than 500 pixels; the emulated device can.
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def _options(profile: Path) -> webdriver.ChromeOptions:
    options = webdriver.ChromeOptions()
    options.binary_location = _browser() or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    return options


def _browser() -> str | None:
    return shutil.which("chromium") or shutil.which("google-chrome")
