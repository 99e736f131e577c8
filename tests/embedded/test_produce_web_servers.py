"""Producing in requests, under the real servers: from the first to the last before the server is stopped."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kafka_integration.client.transports.embedded import EmbeddedBroker
from tests.processes import PROJECT, ChildProcess, environment

GUNICORN = ("gunicorn", "--bind", "127.0.0.1:0", "tests.embedded.web_site:wsgi")
UVICORN = ("uvicorn", "--port", "0", "--lifespan", "auto", "tests.embedded.web_site:asgi")


class Site:
    def __init__(self, process: ChildProcess) -> None:
        self.process = process
        self._address = process.wait_for_output(r"http://127\.0\.0\.1:\d+", 40)[0]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self._address}/{path}", timeout=20) as response:
            return str(response.read().decode())

    def get_all(self, *paths: str) -> list[str]:
        with ThreadPoolExecutor(len(paths)) as pool:
            return list(pool.map(self.get, paths))


@pytest.fixture
def serve(tmp_path: Path, topic: str, shared_broker: EmbeddedBroker) -> Iterator[Callable[..., Site]]:
    servers: list[ChildProcess] = []

    def serve(*command: str, kafka: str = shared_broker.servers) -> Site:
        env = environment({"SITE_KAFKA": kafka, "SITE_TOPIC": topic, "PYTHONWARNINGS": "ignore"})
        command = (sys.executable, "-m", *command)
        servers.append(ChildProcess(command, log=tmp_path / f"{len(servers)}.log", env=env, cwd=PROJECT))
        return Site(servers[-1])

    yield serve
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    "options",
    [("-k", "gevent"), ("-k", "gevent", "--preload"), ("-k", "gthread", "--threads", "4")],
    ids=" ".join,
)
def test_under_gunicorn_what_requests_produce_arrives(
    options: tuple[str, ...], topic: str, serve: Callable[..., Site], values: Callable
) -> None:
    site = serve(*GUNICORN, *options)

    waited = site.get_all(*(f"wait/{number}" for number in range(8)))
    queued = site.get_all("produce/8", "produce/9")

    assert (waited, queued) == ([topic] * 8, ["queued"] * 2)
    assert site.process.terminate() == 0
    assert values(10) == list("0123456789")


def test_under_uvicorn_what_requests_produce_arrives(topic: str, serve: Callable[..., Site], values: Callable) -> None:
    site = serve(*UVICORN)

    waited = site.get_all("wait/0", "wait/1", "async/2", "async/3")
    queued = site.get_all("produce/4", "produce/5")

    assert (waited, queued) == ([topic] * 4, ["queued"] * 2)
    site.process.terminate()
    assert values(6) == list("012345")


def test_uvicorn_says_at_its_end_what_is_left(serve: Callable[..., Site]) -> None:
    site = serve(*UVICORN, kafka="127.0.0.1:1")
    site.get("produce/s3cret")

    site.process.terminate()

    assert site.process.output().count("1 message(s) were not confirmed within 2 s and may be lost") == 1
    assert "Finished server process" in site.process.output()


def test_in_async_code_waiting_holds_up_no_other_request(serve: Callable[..., Site]) -> None:
    site = serve(*UVICORN, kafka="127.0.0.1:1")

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(site.get, "async/0")
        answers = [site.get(f"produce/{number}") for number in range(5)]
        was_done = waiting.done()

    assert answers == ["queued"] * 5
    assert not was_done
    assert "ProduceTimeoutError after" in waiting.result()
