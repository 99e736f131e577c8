"""The process of `runconsumer` on a real Kafka: one or several, stopped, killed, failing, reloaded."""

from __future__ import annotations

import json
import os
import re
import signal
from time import monotonic

import pytest

from tests.broker.jobs import Jobs, told, wait_told
from tests.processes import is_running
from tests.waiting import wait_for

pytestmark = pytest.mark.timeout(180)


def send(kcat, topic, *values, **options):
    for value in values:
        kcat.produce(topic, value, **options)


def workers_of(process):
    """The pids of the workers, by their number."""
    found = re.findall(r"worker (\d) runs as process (\d+)$", process.output(), re.MULTILINE)
    return {int(number): int(pid) for number, pid in found}


def test_several_consumers_run_in_one_process_each_with_its_own_topic_and_group(jobs, kcat, create_topic):
    orders, clicks = create_topic(), create_topic()
    send(kcat, orders, "o1", "o2")
    send(kcat, clicks, "c1")
    consumers = {
        "orders": jobs.consumer(orders),
        "clicks": jobs.consumer(clicks, consumer_group=f"{jobs.group}-clicks"),
        "both": jobs.consumer(orders, topics=[orders, clicks], consumer_group=f"{jobs.group}-both"),
        "off": jobs.consumer(orders, consumer_group=f"{jobs.group}-off", enabled=False),
    }
    run = jobs.start(consumers=consumers)

    got = wait_told(6, run)
    assert run.terminate() == 0

    def of(consumer: str) -> list[str | None]:
        return sorted(each.text for each in got if each.thread.startswith(f"{consumer}-"))

    assert len({each.pid for each in got}) == 1
    assert (of("orders"), of("clicks"), of("both"), of("off")) == (["o1", "o2"], ["c1"], ["c1", "o1", "o2"], [])
    assert sum(jobs.committed(clicks, f"{jobs.group}-clicks").values()) == 1
    assert sum(jobs.committed(orders).values()) == 2


def test_only_the_named_consumer_runs(jobs, kcat, create_topic):
    topic = create_topic()
    send(kcat, topic, "v")
    consumers = {name: jobs.consumer(topic, consumer_group=f"{jobs.group}-{name}") for name in ("one", "two")}

    run = jobs.start("two", "--until-caught-up", consumers=consumers)

    assert run.wait() == 0
    assert [each.thread for each in told(run)] == ["two-lane-1"]


def test_sigterm_in_a_slow_handler_lets_it_finish_commits_and_exits_with_0(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    kcat.produce_many(topic, [("k", str(number)) for number in range(20)])
    run = jobs.run(topic, message_handler="tests.workload.telling.take_two_seconds")
    run.wait_for_output("BEGIN 1$")
    asked_at = monotonic()

    status = run.terminate()

    assert status == 0
    assert monotonic() - asked_at < 6
    assert [each.text for each in told(run)] == ["0", "1"]
    assert jobs.committed(topic, partitions=1) == {0: 2}
    assert "in the handler's hands" in run.output()


def test_a_second_signal_leaves_at_once_and_what_was_in_hand_comes_again(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    send(kcat, topic, "a")
    run = jobs.run(topic, message_handler="tests.workload.telling.take_two_seconds")
    run.wait_for_output("BEGIN a$")
    run.signal(signal.SIGTERM)
    run.wait_for_output("in the handler's hands")

    run.signal(signal.SIGTERM)

    assert run.wait(1) == 3
    assert told(run) == []
    assert [each.text for each in jobs.catch_up(topic)] == ["a"]


def test_the_given_number_of_messages_is_handled_and_no_more(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    kcat.produce_many(topic, [("k", str(number)) for number in range(50)])

    first = jobs.run(topic, "--max-messages", "7")
    assert first.wait() == 0
    again = jobs.run(topic, "--max-messages", "3")
    assert again.wait() == 0

    assert [each.text for each in told(first)] == [str(number) for number in range(7)]
    assert [each.text for each in told(again)] == ["7", "8", "9"]
    assert jobs.committed(topic, partitions=1) == {0: 10}


def test_two_processes_share_the_partitions(jobs, kcat, create_topic):
    topic = create_topic()
    run = jobs.run(topic, "--processes", "2")
    wait_for(lambda: len(workers_of(run)) == 2, 20, run.tail)
    wait_shared(jobs, kcat, topic, run)

    assert run.terminate() == 0

    assert not any(map(is_running, workers_of(run).values()))
    assert run.output().count("stopped after") == 2


def wait_shared(jobs, kcat, topic, run):
    """Sends until both workers have got something since."""
    seen = len(told(run))

    def both() -> bool:
        kcat.produce_many(topic, [(str(number), "v") for number in range(8)])
        return len({each.pid for each in told(run)[seen:]}) == 2

    wait_for(both, 40, run.tail, interval=0.5)


def test_a_killed_worker_is_started_again_and_its_messages_are_not_lost(jobs, kcat, create_topic):
    topic = create_topic()
    run = jobs.run(topic, "--processes", "2")
    wait_for(lambda: len(workers_of(run)) == 2, 20, run.tail)
    wait_shared(jobs, kcat, topic, run)
    before = workers_of(run)

    os.kill(before[0], signal.SIGKILL)
    run.wait_for_output("worker 0 was killed by SIGKILL; it starts again in 0 s")
    wait_for(lambda: workers_of(run)[0] != before[0], 20, run.tail)
    kcat.produce_many(topic, [(str(number), f"after-{number}") for number in range(40)])
    wait_for(lambda: len({each.text for each in told(run)}) == 41, 60, run.tail)

    assert run.terminate() == 0
    produced = {(record.partition, record.offset) for record in kcat.consume(topic)}
    assert {each.place for each in told(run)} == produced


def test_a_worker_that_fails_for_good_ends_all_with_1(jobs, kcat, create_topic):
    topic = create_topic()
    run = jobs.run(topic, "--processes", "2", message_handler="tests.workload.telling.stumble")
    wait_for(lambda: len(workers_of(run)) == 2, 20, run.tail)
    wait_shared(jobs, kcat, topic, run)

    kcat.produce(topic, "stumble", partition=3)

    assert run.wait() == 1
    assert "ended with status 1; the others are stopped as well" in run.output()
    assert re.search(rf"consumer one stops at .*{topic}\[3\]", run.output()), run.tail()
    assert not any(map(is_running, workers_of(run).values()))


def test_ctrl_c_in_a_terminal_is_one_stop_for_parent_and_workers(jobs, kcat, create_topic):
    topic = create_topic()
    run = jobs.run(topic, "--processes", "2", message_handler="tests.workload.telling.take_two_seconds")
    wait_for(lambda: len(workers_of(run)) == 2, 20, run.tail)
    kcat.produce_many(topic, [(str(number), str(number)) for number in range(20)])
    wait_for(lambda: len(re.findall("^BEGIN ", run.output(), re.MULTILINE)) >= 2, 30, run.tail)

    os.killpg(os.getpgid(run.pid), signal.SIGINT)

    assert run.wait() == 0
    begun = re.findall(r"^BEGIN (\d+)$", run.output(), re.MULTILINE)
    assert sorted(each.text for each in told(run)) == sorted(begun), "what was begun was finished"
    assert sum(jobs.committed(topic).values()) == len(begun)


def test_until_caught_up_with_several_processes_ends_when_all_of_them_are(jobs, kcat, create_topic):
    topic = create_topic()
    kcat.produce_many(topic, [(str(number), str(number)) for number in range(200)])

    run = jobs.run(topic, "--processes", "2", "--until-caught-up")

    assert run.wait(60) == 0, run.tail()
    assert {each.text for each in told(run)} == {str(number) for number in range(200)}


def test_a_changed_handler_is_used_after_an_orderly_restart(kafka, kcat, create_topic, reloading_site):
    topic = create_topic(partitions=1)
    run = reloading_site.start(kafka.bootstrap, topic)
    kcat.produce(topic, "one")
    run.wait_for_output("^first one$", 30)

    reloading_site.write_handler("second")
    run.wait_for_output("handlers.py changed: starting again")
    kcat.produce(topic, "two")
    run.wait_for_output("^second two$", 30)

    assert run.terminate() == 0
    assert re.findall("^(?:first|second) .*$", run.output(), re.MULTILINE) == ["first one", "second two"]
    assert "consumer c: stopped" in run.output()


@pytest.mark.parametrize(
    ("arguments", "status", "reason"),
    [
        (("nobody",), 1, 'there is no consumer "nobody"; settings.KAFKA has: one, two'),
        (("two",), 1, 'consumer "two" is disabled'),
        (("--processes", "0"), 2, "'0' is not a whole number from 1 to 128"),
        (("--processes", "1000000000"), 2, "is not a whole number from 1 to 128"),
        (("--max-messages", "none"), 2, "'none' is not a whole number"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_cannot_be_run_ends_at_once_with_the_reason(jobs, arguments, status, reason):
    consumers = {"one": jobs.consumer("t"), "two": jobs.consumer("t", enabled=False)}

    run = jobs.start(*arguments, consumers=consumers)

    assert run.wait(20) == status
    assert reason in run.output()
    assert "Traceback" not in run.output()


def test_the_lag_of_a_group_is_what_any_client_would_count(jobs, kcat, create_topic):
    topic = create_topic()
    kcat.produce_many(topic, [(str(number), "v") for number in range(100)])
    consumers = {"one": jobs.consumer(topic)}
    run = jobs.start("--max-messages", "40", consumers=consumers)
    assert run.wait() == 0

    table = jobs.start("lag", jobs.group, consumers=consumers, command="kafkagroups")
    document = jobs.start("lag", jobs.group, "--json", consumers=consumers, command="kafkagroups")

    assert table.wait() == document.wait() == 0
    lag = parsed(document)
    ends = {n: sum(record.partition == n for record in kcat.consume(topic)) for n in range(4)}
    committed = jobs.committed(topic)
    assert {p["partition"]: (p["committed"], p["end"], p["lag"]) for p in lag["partitions"]} == {
        n: (committed.get(n), ends[n], ends[n] - committed.get(n, 0)) for n in range(4)
    }
    assert lag["total"] == 60
    assert f"group {jobs.group}: lag 60 in all" in table.output()


def test_the_lag_counts_the_offsets_that_are_kept_in_the_database(jobs, kcat, create_topic):
    topic = create_topic(partitions=1)
    kcat.produce_many(topic, [(str(number), "v") for number in range(10)])
    consumers = {"one": jobs.consumer(topic, offset_storage="database")}
    run = jobs.start("--max-messages", "4", consumers=consumers)
    assert run.wait() == 0

    document = jobs.start("lag", jobs.group, "--json", consumers=consumers, command="kafkagroups")

    assert document.wait() == 0
    (partition,) = parsed(document)["partitions"]
    assert partition | {"topic": topic, "partition": 0, "committed": 4, "end": 10, "lag": 6} == partition
    assert (partition["state"], partition["reason"]) == ("unowned", None)


def test_the_lag_of_a_group_on_a_broker_that_is_down_is_a_clear_error_at_once(jobs, manage, sqlite_url):
    nowhere = Jobs("127.0.0.1:1", sqlite_url, manage)

    ask = nowhere.start("lag", nowhere.group, consumers={"one": nowhere.consumer("t")}, command="kafkagroups")

    assert ask.wait(10) == 1
    assert "no broker can be reached" in ask.output()
    assert ask.output().count("\n") <= 2, ask.output()


def parsed(process):
    return json.loads(process.output())
