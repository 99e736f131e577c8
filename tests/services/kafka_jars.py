"""Apache Kafka's jars, brought from Maven Central into a git-ignored folder when they are missing.

They are of the version that the pom names, or that KAFKA_VERSION in the environment names.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from tests.processes import PROJECT

POM = Path(__file__).with_name("kafka-pom.xml")
LIBS = PROJECT / ".kafka" / "libs"
VERSION = os.environ.get("KAFKA_VERSION") or None
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def missing_for_kafka(version: str | None = None) -> str | None:
    """What this machine lacks to run Kafka, or None."""
    version = version or VERSION
    if shutil.which("java") is None:
        return "no Java (Debian: apt-get install openjdk-17-jre-headless)"
    if not _complete(version) and shutil.which("mvn") is None:
        return "no Kafka jars and no Maven to fetch them (Debian: apt-get install maven)"
    try:
        fetch_jars(version)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        return f"no Kafka jars, and {error}"
    return None


def missing_for_kip_848() -> str | None:
    """What the version that is the default lacks for the `consumer` group protocol, or None."""
    is_older = VERSION is not None and int(VERSION.split(".")[0]) < 4
    return f"Kafka {VERSION} is older than 4.0, which brings that protocol" if is_older else None


def fetch_jars(version: str | None = None) -> Path:
    """The folder of the jars, complete and of this version, or of the one that is the default."""
    version = version or VERSION
    LIBS.parent.mkdir(exist_ok=True)
    # Test processes side by side need them at the same moment: one fetches, the others wait.
    with (LIBS.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _complete(version):
            _fetch(version)
    return _folder(version)


def _fetch(version: str | None) -> None:
    folder = _folder(version)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command = ["mvn", "--quiet", "--batch-mode", "--file", str(POM), _COPY, f"-DoutputDirectory={folder}"]
    if version is not None:
        command.append(f"-Dkafka.version={version}")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise RuntimeError(f"Maven could not fetch them: {(done.stdout + done.stderr).strip()[:500]}")
    _stamp(version).write_text(POM.read_text())


def _complete(version: str | None) -> bool:
    return _stamp(version).exists() and _stamp(version).read_text() == POM.read_text()


def _folder(version: str | None) -> Path:
    return LIBS if version is None else LIBS.with_name(f"libs-{version}")


def _stamp(version: str | None) -> Path:
    return _folder(version) / "complete"
