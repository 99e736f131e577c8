"""Disks of a few megabytes that can be full: tmpfs of a bounded size."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests import orphans


def missing_for_small_disks() -> str | None:
    """What keeps this process from mounting one, or None."""
    if shutil.which("mount") is None or os.geteuid() != 0:
        return "a small disk can only be mounted by root"
    with tempfile.TemporaryDirectory() as directory:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "tmpfs", directory], capture_output=True, check=False)
        if mounted.returncode:
            return "this process may not mount a small disk"
        subprocess.run(["umount", directory], check=True)
    return None


class SmallDisk:
    """A disk of so many MiB at ``path``, until the end of the block."""

    def __init__(self, mib: int) -> None:
        self._mib = mib
        self.path = Path(tempfile.mkdtemp(prefix="small-disk-"))
        self._ballast = self.path / "ballast"

    def __enter__(self) -> SmallDisk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self._mib}m", "tmpfs", self.path], check=True)
        orphans.adopt("mount", str(self.path))
        return self

    def __exit__(self, *_: object) -> None:
        # Lazily: a server that is being ended may hold a file of it for a moment longer.
        subprocess.run(["umount", "--lazy", self.path], check=True)
        self.path.rmdir()
        orphans.release("mount", str(self.path))

    def fill(self) -> None:
        """Leave no room at all."""
        with self._ballast.open("ab", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError:
                return

    def make_room(self) -> None:
        self._ballast.unlink()
