"""The environments of the peers: one each, made by plain pip when it is first needed."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import venv
from pathlib import Path

from .catalogue import OURS

PROJECT = Path(__file__).resolve().parent.parent
HOME = PROJECT / ".bench"
PEERS = {
    "faststream": "faststream",
    "aiokafka": "aiokafka",
    "quixstreams": "quixstreams",
    "django_kafka": "django-kafka",
    "arroyo": "sentry-arroyo",
}
"""The package of each peer."""


class NotInstalledError(Exception):
    """A peer can't be installed here; its contenders are left out."""


def python_of(environment: str) -> str:
    """The Python of an environment, which is made where it isn't there; ``NotInstalledError`` says why it can't be."""
    if environment == OURS:
        return sys.executable
    requirements = requirements_of(environment)
    directory = HOME / environment
    made = directory / "made-of"
    fingerprint = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not made.exists() or made.read_text() != fingerprint:
        print(f"installing {PEERS[environment]} {version_of(environment)} …", flush=True)
        venv.create(directory, with_pip=True, clear=True)
        _install(directory, requirements)
        made.write_text(fingerprint)
    return str(_python(directory))


def version_of(environment: str) -> str:
    """The version of a peer that its requirements pin."""
    pinned = re.search(
        rf"^{re.escape(PEERS[environment])}==(\S+)", requirements_of(environment).read_text(), re.MULTILINE
    )
    assert pinned is not None, f"{requirements_of(environment)} does not pin {PEERS[environment]}"
    return pinned[1]


def requirements_of(environment: str) -> Path:
    return PROJECT / "benchmarks" / "peers" / f"{environment}.txt"


def _install(directory: Path, requirements: Path) -> None:
    command = [str(_python(directory)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*command, "--requirement", str(requirements)], capture_output=True, text=True, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()
        raise NotInstalledError(words[-1] if words else f"pip ended with {done.returncode}")


def _python(directory: Path) -> Path:
    return directory / "bin" / "python"
