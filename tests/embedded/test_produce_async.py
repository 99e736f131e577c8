"""`aproduce`: produce_sync for async code; the event loop goes on, whatever the client waits for."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.test import override_settings

from kafka_integration import (
    InvalidMessageError,
    ProduceError,
    ProduceTimeoutError,
    aproduce,
    produce_batch,
    produce_sync,
)
from kafka_integration.client.producers.registry import producers
from kafka_integration.client.transports.embedded import EmbeddedBroker

NOBODY = "127.0.0.1:1"


@pytest.fixture
def endpoints(shared_broker: EmbeddedBroker) -> str:
    return shared_broker.servers


@pytest.fixture(autouse=True)
def _producing(endpoints: str, request: pytest.FixtureRequest) -> Iterator[None]:
    strategy = request.node.get_closest_marker("parametrize") and request.node.callspec.params.get("strategy")
    producer = {"shutdown_grace_seconds": 0, "partition_strategy": strategy or "murmur2_random"}
    with override_settings(KAFKA={"endpoints": [endpoints], "producer": producer}):
        yield
        producers.close(0)


def test_what_is_awaited_is_there_with_all_that_was_given(topic: str, values: Callable) -> None:
    async def send() -> Any:
        one = await aproduce(topic, {"a": 1}, key="k", headers={"h": "1"}, partition=1, timestamp=1_000_000)
        many = await asyncio.gather(*(aproduce(topic, f"{number:02}") for number in range(50)))
        return one, many

    one, many = asyncio.run(send())

    assert (one.topic, one.partition, one.ts) == (topic, 1, 1_000_000)
    assert len(many) == 50
    assert values(51) == [*(f"{number:02}" for number in range(50)), '{"a": 1}']


def test_what_kafka_could_not_take_is_refused(topic: str) -> None:
    for arguments, options in (((topic, float("nan")), {}), (("no topic!", "x"), {}), ((topic, "x"), {"timeout": -1})):
        with pytest.raises(InvalidMessageError):
            asyncio.run(aproduce(*arguments, **options))


@pytest.mark.parametrize("endpoints", [NOBODY])
@pytest.mark.parametrize("strategy", ["murmur2_random", "md5"])
def test_the_event_loop_goes_on_while_kafka_is_away(topic: str, strategy: str) -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        while True:
            began_at = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - began_at)

    async def send() -> float:
        ticks = asyncio.create_task(tick())
        began_at = time.monotonic()
        with pytest.raises(ProduceError):
            await aproduce(topic, "x", key="k", timeout=1.5)
        ticks.cancel()
        with suppress(asyncio.CancelledError):
            await ticks
        return time.monotonic() - began_at

    took = asyncio.run(send())

    assert 1 < took < 4
    assert longest < 0.5


@pytest.mark.parametrize("endpoints", [NOBODY])
def test_a_call_that_waits_for_a_thread_has_no_more_time_for_that(topic: str, endpoints: str, settings: Any) -> None:
    settings.KAFKA = {"endpoints": [endpoints], "producer": {"config": {"queue.buffering.max.messages": 1}}}

    async def send_all() -> list[Any]:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        calls = (aproduce(topic, "x", timeout=1) for _ in range(12))
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 8)

    outcomes = asyncio.run(send_all())

    assert all(isinstance(outcome, ProduceError) for outcome in outcomes)
    assert [outcome.may_still_arrive for outcome in outcomes].count(True) == 1


@pytest.mark.parametrize("endpoints", [NOBODY])
def test_a_confirmation_that_is_late_is_a_time_out_with_its_reason(topic: str) -> None:
    with pytest.raises(ProduceTimeoutError, match=r"may still arrive.*Connection refused") as late:
        asyncio.run(aproduce(topic, "x", timeout=1))

    assert late.value.may_still_arrive


@pytest.mark.parametrize("endpoints", [NOBODY])
@pytest.mark.parametrize(
    "send",
    [
        lambda topic: produce_sync(topic, "x", timeout=0.5),
        lambda topic: produce_batch(topic, [("k", "x"), ("k", "y")], timeout=0.5),
        lambda topic: asyncio.run(aproduce(topic, "x", timeout=0.5)),
    ],
    ids=["produce_sync", "produce_batch", "aproduce"],
)
def test_a_time_out_names_the_seconds_that_were_given(topic: str, send: Callable[[str], object]) -> None:
    with pytest.raises(ProduceError, match=r"not confirmed within 0\.5 s"):
        send(topic)


@pytest.mark.parametrize("endpoints", [NOBODY])
def test_a_task_that_is_cancelled_leaves_nothing_that_could_fail_later(
    topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancel() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(aproduce(topic, "x", timeout=60), 0.5)

    asyncio.run(cancel())
    producers.close(0)

    assert "A callback for a message" not in caplog.text
