"""What is written about metrics, for people and for monitoring systems, names metrics and options that there are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import load_command_class

from kafka_integration.conf import get_settings
from kafka_integration.errors import ConfigurationError
from kafka_integration.observing.families import FAMILIES
from kafka_integration.operating.monitoring.heartbeat_file import HeartbeatFile
from tests.processes import PROJECT
from tests.services.presence import missing_command, require

FOLDER = PROJECT / "examples/monitoring"
ALERTS = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
SERIES = {
    name
    for family in FAMILIES.values()
    for name in (
        (f"{family.name}_bucket", f"{family.name}_count", f"{family.name}_sum")
        if family.kind == "histogram"
        else (family.name,)
    )
}
LABELS = {label for family in FAMILIES.values() for label in family.labels} | {"le", "instance", "job"}


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    return json.loads((FOLDER / "grafana/dashboard.json").read_text())


def series_in(expression: str) -> set[str]:
    return set(re.findall(r"\bkafka_\w+", re.sub(r'"[^"]*"', "", expression)))


def labels_in(expression: str) -> set[str]:
    grouped = re.findall(r"\bby \(([^)]*)\)", expression)
    matched = re.findall(r"(\w+) ?=~?\"", expression)
    return {label.strip() for labels in grouped for label in labels.split(",")} | set(matched)


def test_the_guide_lists_each_metric_with_its_labels():
    guide = (PROJECT / "docs/how-to/monitor.md").read_text()

    listed = {
        name: set(re.findall(r"`(\w+)`", labels)) - {"le"}
        for name, labels in re.findall(r"^\| `(kafka_\w+)` \| ([^|]*) \|", guide, re.MULTILINE)
    }

    assert listed == {family.name: set(family.labels) for family in FAMILIES.values()}


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_an_alert_is_about_what_there_is_and_says_what_to_do(rule):
    assert series_in(rule["expr"]) <= SERIES
    assert labels_in(rule["expr"]) <= LABELS
    assert series_in(rule["expr"]) or rule["expr"].startswith("up{")
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert len(rule["annotations"]["summary"]) < 120
    assert len(rule["annotations"]["description"]) > 40
    named = re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"]))
    assert set(named) <= labels_in(rule["expr"]) | {"instance"}


def test_alerts_have_names_of_their_own():
    names = [rule["alert"] for rule in ALERTS]

    assert len(names) == len(set(names)) >= 10


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool isn't installed")
def test_prometheus_takes_the_rules():
    check = ["promtool", "check", "rules", str(FOLDER / "alerts.yml")]
    run = subprocess.run(check, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


def test_each_panel_of_the_dashboard_shows_what_there_is(dashboard):
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]

    for panel in panels:
        for target in panel["targets"]:
            assert series_in(target["expr"]), panel["title"]
            assert series_in(target["expr"]) <= SERIES, panel["title"]
            assert labels_in(target["expr"]) <= LABELS, panel["title"]
            assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= labels_in(target["expr"]), panel["title"]
        assert panel["description"]
    assert len(panels) > 10
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_panels_of_the_dashboard_do_not_overlap(dashboard):
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells


def test_every_metric_is_on_the_dashboard(dashboard):
    shown = {
        name
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
        for name in series_in(target["expr"])
    }

    assert {re.sub("_(bucket|count|sum)$", "", name) for name in shown} == set(FAMILIES)


def test_pods_are_started_with_options_and_probed_at_paths_that_there_are():
    for document in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()):
        pod = document["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        options = accepted(container["command"])
        assert pod["terminationGracePeriodSeconds"] > (25 if "runconsumer" in container["command"] else 5)
        for name in ("startupProbe", "livenessProbe"):
            probe = container[name]
            if "httpGet" in probe:
                assert probe["httpGet"]["path"] == "/healthz"
                ports = {port["name"]: port["containerPort"] for port in container["ports"]}
                assert ports[probe["httpGet"]["port"]] == options["metrics_port"]
            else:
                assert f"find {options['heartbeat_file']} " in probe["exec"]["command"][-1]


def test_what_is_scaled_is_a_deployment_and_by_the_lag_of_its_consumer():
    scaled = yaml.safe_load((FOLDER / "scaling.yaml").read_text())["spec"]
    deployments = {
        each["metadata"]["name"]: each for each in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text())
    }
    (container,) = deployments[scaled["scaleTargetRef"]["name"]]["spec"]["template"]["spec"]["containers"]
    (consumer,) = accepted(container["command"])["names"]
    (trigger,) = scaled["triggers"]

    settings = get_settings().consumers[consumer]
    assert trigger["metadata"]["consumerGroup"] == settings.consumer_group
    assert (trigger["metadata"]["topic"],) == tuple(settings.topics)
    assert trigger["metadata"]["offsetResetPolicy"] == settings.offset_reset_policy


def test_the_guide_to_kubernetes_shows_the_file_as_it_is():
    guide = (PROJECT / "docs/how-to/kubernetes.md").read_text()
    (shown,) = re.findall(r"^```yaml\n# examples/monitoring/scaling.yaml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)

    assert shown in (FOLDER / "scaling.yaml").read_text()


def test_containers_of_compose_are_those_of_the_project_and_asked_where_they_answer():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    ours = yaml.safe_load((PROJECT / "docker-compose.yml").read_text())["services"]
    watched = {name: service for name, service in services.items() if "command" in service}

    for name, service in watched.items():
        assert service["command"].startswith(ours[name]["command"])
        options = accepted(service["command"].split())
        assert options["metrics_address"] == "0.0.0.0"
        assert f":{options['metrics_port']}/healthz" in service["healthcheck"]["test"][-1]
    scraped = yaml.safe_load((FOLDER / "prometheus.yml").read_text())["scrape_configs"]
    assert {target for job in scraped for each in job["static_configs"] for target in each["targets"]} == {
        f"{name}:9100" for name in watched
    }
    assert {job["job_name"] for job in scraped} == {"kafka_integration"}


def test_files_that_are_mounted_are_there():
    services = yaml.safe_load((FOLDER / "compose.yaml").read_text())["services"]
    mounts = [mount.partition(":")[0] for service in services.values() for mount in service.get("volumes", [])]

    assert [path for path in mounts if path.startswith("./") and not (PROJECT / path).exists()] == []
    assert sum(path.startswith("./") for path in mounts) == 4


def test_compose_takes_both_files():
    require(missing_command("docker-compose", "docker-compose"))
    files = ["--file", "docker-compose.yml", "--file", "examples/monitoring/compose.yaml", "--env-file", ".env.example"]

    command = ["docker-compose", *files, "config", "--quiet"]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=PROJECT)

    assert run.returncode == 0, run.stderr


def test_the_probe_of_a_heartbeat_file_fails_once_nobody_touches_it(tmp_path):
    heartbeat = tmp_path / "alive"
    (probe,) = set(heartbeat_probes())
    shell = shutil.which("sh")
    assert shell

    def status() -> int:
        command = probe.replace("/tmp/alive", str(heartbeat))
        return subprocess.run([shell, "-c", command], capture_output=True, check=False).returncode

    assert status() != 0
    heartbeat.touch()
    assert status() == 0
    subprocess.run(["touch", "-d", "2 minutes ago", str(heartbeat)], check=True)
    assert status() != 0


def test_a_folder_is_no_heartbeat_file(tmp_path):
    with pytest.raises(ConfigurationError, match="it is a folder"):
        HeartbeatFile(tmp_path)


def heartbeat_probes() -> Iterator[str]:
    for document in yaml.safe_load_all((FOLDER / "kubernetes.yaml").read_text()):
        for container in document["spec"]["template"]["spec"]["containers"]:
            for name in ("startupProbe", "livenessProbe"):
                if "exec" in container[name]:
                    yield container[name]["exec"]["command"][-1]


def accepted(command: list[str]) -> dict[str, Any]:
    """What a command line of the project means; fails where the command doesn't know it."""
    assert command[:2] == ["python", "manage.py"]
    name, *arguments = map(str, command[2:])
    parser = load_command_class("kafka_integration", name).create_parser("manage.py", name)
    options = vars(parser.parse_args(arguments))
    assert options["metrics_port"] or isinstance(options["heartbeat_file"], Path)
    return options
