"""Python's garbage collector in a process of consumers or relays."""

from __future__ import annotations

import gc

DEFAULT_THRESHOLD = (700, 10, 10)


def spare_the_collector() -> None:
    """Let Python's garbage collector look less often, and not at all at what was imported.

    Messages come by the thousand and go by reference counting. Walking all of Django for them again and again
    cost a third of the throughput (``make bench``). A threshold that the project has set stays. Only for a process that
    is ours alone: what others have made in it would never be collected again.
    """
    # Without a collection before: it would find a few objects, and takes longer than all else from here to joining.
    gc.freeze()
    if gc.get_threshold() == DEFAULT_THRESHOLD:
        gc.set_threshold(20_000, 20, 20)
