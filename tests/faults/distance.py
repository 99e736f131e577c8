"""A cluster as its clients see it from afar: a proxy in front of each broker, with weather of its own."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.faults.proxy import Proxy
from tests.faults.weather import Weather
from tests.services.kafka import KafkaCluster
from tests.services.kafka_nodes import FAR


class DistantKafka:
    """``cluster`` itself is near; ``bootstrap`` leads to it through the ``weather`` of each broker (from 0)."""

    def __init__(self, **options: Any) -> None:
        self.weather: list[Weather] = []
        self.proxies: list[Proxy] = []
        self._stack = ExitStack()
        self.cluster = KafkaCluster(through=self._through, **options)

    @property
    def bootstrap(self) -> str:
        return self.cluster.bootstrap_of(FAR)

    def __enter__(self) -> DistantKafka:
        self._stack.enter_context(self.cluster)
        return self

    def __exit__(self, *_: object) -> None:
        for weather in self.weather:
            weather.clear()
        self._stack.close()

    def _through(self, index: int, port: int) -> str:
        self.weather.append(Weather(seed=index))
        self.proxies.append(self._stack.enter_context(Proxy(port, weather=self.weather[-1])))
        return f"127.0.0.1:{self.proxies[-1].port}"
