"""What it costs a consumer to be operated: rows of what it does, metrics, spans."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..catalogue import Contender, Row, ours

K = 1000
FORMS = {
    "alone": "no rows, no metrics, no spans",
    "watched": "rows and `--metrics-port`",
    "traced": "the same with `tracing`, spans sent nowhere",
}


def _operated(name: str, handler: str, messages: dict[str, int], **consumer: object) -> Iterator[Contender]:
    for form, label in FORMS.items():
        contender = ours(
            f"{name}-{form}", label, handler, messages=messages[form], module="operated", form=form, **consumer
        )
        # Where its rows are.
        yield replace(contender, needs_database=True)


OPERATING = Row(
    name="operating",
    title="A handler that does nothing, and who looks on",
    about="The handler called for each message, as above, with what operators may want to see of it.",
    contenders=tuple(
        _operated("operating", "handlers.each", {"alone": 1000 * K, "watched": 1000 * K, "traced": 60 * K})
    ),
)

OPERATING_BY_KEY = Row(
    name="operating-key",
    title="A handler that does nothing, by key, and who looks on",
    about='The same with `"ordering": "key"` and 8 at a time: a turn is often one message, and each turn is told of.',
    contenders=tuple(
        _operated(
            "operating-key",
            "handlers.each_at_a_time",
            {"alone": 100 * K, "watched": 100 * K, "traced": 40 * K},
            ordering="key",
            concurrency=8,
        )
    ),
)
