"""The protocol by which a consumer joins its group, where its settings leave that to the cluster."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

from ...client.metadata.group_protocols import GroupProtocol, choose_group_protocol
from ...client.metadata.patience import Patience
from ...conf.consumers import ConsumerSettings
from ...errors import BrokerError

logger = logging.getLogger(__name__)

UNSUPPORTED = "UNSUPPORTED_VERSION"


class ProtocolChoice:
    """Made anew for each membership: meanwhile the group may have changed. The loop thread's own."""

    def __init__(self, settings: ConsumerSettings, *, is_over: Callable[[], bool]) -> None:
        self._settings = settings
        self._is_over = is_over
        self._patience = Patience()
        self._last: str | None = None
        self._was_refused = False

    def settle(self) -> ConsumerSettings:
        """The settings with a protocol for the next membership; ``BrokerError`` if the cluster can't be asked now."""
        if self._settings.group_protocol != "auto":
            return self._settings
        chosen = replace(self._settings, group_protocol="classic" if self._was_refused else self._ask())
        if chosen.group_protocol != self._last:
            self._last = chosen.group_protocol
            logger.info('consumer %s: its group_protocol is "%s"', self._settings.name, self._last)
        return chosen

    def is_refused(self, error: BrokerError) -> bool:
        """Whether the cluster doesn't take what was chosen for it; from now on it is the classic protocol."""
        if self._settings.group_protocol != "auto" or self._last != "consumer" or error.code != UNSUPPORTED:
            return False
        logger.warning('consumer %s: the cluster refuses group_protocol "consumer", joining anew', self._settings.name)
        self._was_refused = True
        return True

    def _ask(self) -> GroupProtocol:
        settings = self._settings
        with self._patience.timeout() as timeout:
            return choose_group_protocol(
                settings.connection,
                settings.consumer_group,
                place=f"consumer {settings.name}",
                timeout=timeout,
                is_over=self._is_over,
            )
