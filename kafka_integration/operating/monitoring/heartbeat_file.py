"""A file that is touched while the process is alive, for probes that run a command."""

from __future__ import annotations

import logging
from pathlib import Path

from ...errors import ConfigurationError
from ...retrying import Repeats

logger = logging.getLogger(__name__)


class HeartbeatFile:
    """Is made at once; ``ConfigurationError`` where it can't be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._repeats = Repeats()
        if path.is_dir():
            # Whoever makes a file in it would keep the probe content.
            raise ConfigurationError([f"--heartbeat-file {path}: it is a folder; give a file in it"])
        try:
            path.touch()
        except OSError as error:
            raise ConfigurationError(
                [f"--heartbeat-file {path}: it can't be written ({error.strerror}); give one in a folder that can"]
            ) from error

    def touch(self) -> None:
        """Never raises: a full disk is nothing that a consumer stops for."""
        try:
            self._path.touch()
        except OSError as error:
            if self._repeats.is_due():
                logger.error("the heartbeat file %s can't be touched: %s", self._path, error.strerror)
