"""Facts that observers may listen to: each is sent after what it tells of, with ``consumer``, the consumer's name.

All are sent with ``send_robust``: a receiver that raises is logged by Django and disturbs nothing. A receiver
runs in the thread that sends, a lane's or the loop's, so it should be quick; what it writes to a database is not
part of the handler's transaction.
"""

from __future__ import annotations

from django.dispatch import Signal

partitions_assigned = Signal()
"""``partitions``: list of (topic, partition). Sent by the loop."""

partitions_revoked = Signal()
"""``partitions``: list of (topic, partition); ``lost``: True where the group gave no notice. Sent by the loop."""

offsets_committed = Signal()
"""``offsets``: dict of (topic, partition) to the next offset, as Kafka has confirmed it. Sent by the loop."""

message_failed = Signal()
"""``message`` and ``exception``: an attempt failed, another one follows. Sent by a lane."""

message_skipped = Signal()
"""``message`` and ``exception``: it was dropped by decision. Sent by a lane."""

message_parked = Signal()
"""``message`` and ``exception``: it is a dead letter now. Sent by a lane."""
