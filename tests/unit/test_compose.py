"""docker-compose.yml says what a deployment needs; no container engine is asked."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from django.conf import settings

from tests.processes import PROJECT
from tests.services.presence import missing_command, require

EVERY_SERVICE = {
    *("kafka", "postgres", "migrate"),
    *("web", "relay", "marketing", "active-users", "search-trends"),
}
OURS = EVERY_SERVICE - {"kafka", "postgres"}
OUR_GRACE_SECONDS = 25


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The file as docker-compose itself reads it, with its variables from .env.example."""
    require(missing_command("docker-compose", "docker-compose"))
    options = ["--file", str(PROJECT / "docker-compose.yml"), "--env-file", str(PROJECT / ".env.example")]
    run = subprocess.run(
        ["docker-compose", *options, "config"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path_factory.mktemp("cwd"),
    )
    assert run.returncode == 0, run.stderr
    return yaml.safe_load(run.stdout)


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (PROJECT / "Dockerfile").read_text()


def test_every_part_of_the_site_is_a_service(compose):
    assert set(compose["services"]) == EVERY_SERVICE


def test_each_activity_consumer_of_the_settings_has_a_container(compose):
    commands = {str(service.get("command", "")) for service in compose["services"].values()}

    for consumer in ("marketing", "active-users", "search-trends"):
        assert consumer in settings.KAFKA["consumers"]
        assert f"python manage.py runconsumer {consumer}" in commands


def test_images_are_pinned(compose, dockerfile):
    images = [compose["services"][name]["image"] for name in ("kafka", "postgres")]
    images.append(dockerfile.split()[1])

    assert all(re.search(r":\d+\.\d+", image) for image in images), images


def test_a_container_has_more_time_to_stop_than_our_grace(compose):
    for name in OURS:
        assert int(compose["services"][name]["stop_grace_period"].rstrip("s")) > OUR_GRACE_SECONDS, name


def test_what_keeps_running_has_a_health_check(compose):
    unwatched = [name for name in EVERY_SERVICE - {"migrate"} if "healthcheck" not in compose["services"][name]]

    assert not unwatched


def test_data_is_in_named_volumes(compose):
    assert set(compose["volumes"]) == {"kafka-data", "postgres-data"}
    assert compose["services"]["kafka"]["volumes"] == ["kafka-data:/var/lib/kafka/data:rw"]
    assert compose["services"]["postgres"]["volumes"] == ["postgres-data:/var/lib/postgresql/data:rw"]


def test_containers_find_kafka_by_the_name_it_advertises(compose):
    kafka = compose["services"]["kafka"]["environment"]

    endpoints = {compose["services"][name]["environment"]["KAFKA_ENDPOINTS"] for name in OURS}

    assert endpoints == {"kafka:9092"}
    assert "INSIDE://kafka:9092" in kafka["KAFKA_ADVERTISED_LISTENERS"]
    assert "HOST://localhost:29092" in kafka["KAFKA_ADVERTISED_LISTENERS"]


def test_services_start_after_kafka_and_the_migration(compose):
    for name in OURS - {"migrate"}:
        assert compose["services"][name]["depends_on"] == {
            "kafka": {"condition": "service_healthy"},
            "migrate": {"condition": "service_completed_successfully"},
        }, name


def test_nothing_is_published_beyond_this_machine(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert ports
    assert all(str(port).startswith("127.0.0.1:") for port in ports), ports


def test_the_image_runs_as_an_ordinary_user(dockerfile):
    user = re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE)

    assert user == ["activitylog"]
    assert dockerfile.index("USER ") < dockerfile.index("CMD ")


def test_what_the_image_copies_and_installs_exists(dockerfile):
    copied = re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE)
    installed = re.search(r"pip install --constraint requirements.txt \\\n\s+(.*)", dockerfile)
    pinned = {line.partition("==")[0].lower() for line in (PROJECT / "requirements.txt").read_text().splitlines()}

    assert all((PROJECT / path).exists() for path in copied), copied
    assert {name.strip('"').partition("[")[0] for name in installed[1].split()} <= pinned
    assert set(copied) <= {line[1:] for line in Path(PROJECT / ".dockerignore").read_text().splitlines()}


def test_the_image_starts_an_application_that_exists(dockerfile):
    command = json.loads(dockerfile.partition("CMD ")[2].replace("\\\n", ""))

    assert command[:2] == ["gunicorn", settings.WSGI_APPLICATION.rpartition(".")[0]]
