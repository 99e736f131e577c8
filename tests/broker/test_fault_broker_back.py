"""A broker can't be reached for a while, the only one or one of three, and is there again from one moment to the next.

Work goes on within three seconds, however long that was. Meanwhile each client tries to connect some times a second, as
librdkafka does that goes back to the bootstrap servers whenever none answers.
"""

from __future__ import annotations

import pytest

from tests.faults.distance import DistantKafka
from tests.faults.scenario import PROTOCOLS, consumer_of
from tests.faults.watching import elapse
from tests.services.ports import free_port

OF_PROTOCOL = {name: {} if name == "consumer" else {"partition.assignment.strategy": name} for name in PROTOCOLS}
WORKERS = 2
CONNECTIONS_A_SECOND = 30
"""At most, of a worker: it has a client that consumes, and others that ask."""


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_work_goes_on_within_seconds_and_few_connections_are_tried_meanwhile(scenario_on, protocol):
    with DistantKafka() as kafka:
        (proxy,) = kafka.proxies
        scenario = scenario_on(kafka.cluster)
        scenario.kafka["endpoints"] = kafka.bootstrap.split(",")
        # As it comes out of the box: a session outlives this.
        scenario.consumer |= {**consumer_of(protocol), "config": OF_PROTOCOL[protocol]}
        workers = [scenario.ready_worker() for _ in range(WORKERS)]
        scenario.load.sent(20)
        scenario.wait_handled()
        for seconds in (2, 8, 15):
            target, proxy.target, accepted = proxy.target, free_port(), proxy.accepted
            proxy.cut()
            elapse(seconds)
            tried = (proxy.accepted - accepted) / seconds / WORKERS
            scenario.load.sent(20)

            proxy.target = target

            scenario.wait_handled(3)
            print(f"{protocol}, away for {seconds} s: {tried:.1f} connections a second were tried by each worker")
            assert tried < CONNECTIONS_A_SECOND
        assert [worker.terminate() for worker in workers] == [0] * WORKERS
    scenario.assert_nothing_lost()
    scenario.assert_in_order()


@pytest.mark.faults
@pytest.mark.timeout(300)
def test_of_three_brokers_the_one_that_is_back_is_noticed_within_seconds(scenario_on):
    with DistantKafka(brokers=3) as kafka:
        scenario = scenario_on(kafka.cluster, 3, replica_assignment=[[1], [2], [3]])
        scenario.kafka["endpoints"] = kafka.bootstrap.split(",")
        scenario.consumer |= {"config": {}}
        worker = scenario.ready_worker()
        scenario.load.sent(30)
        scenario.wait_handled()
        for proxy in kafka.proxies:
            target, proxy.target = proxy.target, free_port()
            proxy.cut()
            elapse(20)
            scenario.load.sent(30)

            proxy.target = target

            scenario.wait_handled(3)
        assert worker.terminate() == 0
    scenario.assert_nothing_lost()
    scenario.assert_in_order()
