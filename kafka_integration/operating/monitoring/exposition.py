"""Metrics as Prometheus reads them; the extra ``metrics`` writes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...errors import ConfigurationError
from ...observing.families import FAMILIES, Sample

if TYPE_CHECKING:
    from prometheus_client import Metric

MISSING_EXTRA = "/metrics needs the extra metrics: pip install 'django-kafka-integration[metrics]'"


@dataclass(frozen=True, kw_only=True)
class Page:
    """What is answered to who asks for metrics."""

    content_type: str
    body: bytes


def is_installed() -> bool:
    """Whether metrics can be written here."""
    try:
        import prometheus_client  # noqa: F401
    except ImportError:
        return False
    return True


def page_of(samples: Iterable[Sample], *, accept: str, has_children: bool) -> Page:
    """The samples, and what else the project measures with the same library, in a form that the asker accepts.

    Where the project's code runs in children its own metrics are there if PROMETHEUS_MULTIPROC_DIR is set, as the
    library has it. ``ConfigurationError`` without the extra.
    """
    try:
        from prometheus_client.exposition import choose_encoder
    except ImportError as error:
        raise ConfigurationError([MISSING_EXTRA]) from error
    encode, content_type = choose_encoder(accept)
    return Page(content_type=content_type, body=encode(_Everything(samples, has_children=has_children)))


class _Everything:
    """What an encoder takes for a registry."""

    def __init__(self, samples: Iterable[Sample], *, has_children: bool) -> None:
        self._samples = samples
        self._has_children = has_children

    def collect(self) -> Iterator[Metric]:
        yield from _metrics_of(self._samples)
        yield from _registry_of_the_project(has_children=self._has_children).collect()


def _metrics_of(samples: Iterable[Sample]) -> Iterator[Metric]:
    from prometheus_client import Metric

    found: dict[str, Metric] = {}
    for sample in samples:
        family = FAMILIES[sample.family]
        if family.name not in found:
            found[family.name] = Metric(family.name.removesuffix("_total"), family.text, family.kind)
        found[family.name].add_sample(f"{family.name}{sample.suffix}", dict(sample.labels), sample.value)
    yield from (found[name] for name in FAMILIES if name in found)


def _registry_of_the_project(*, has_children: bool) -> Any:
    import os

    from prometheus_client import REGISTRY, CollectorRegistry
    from prometheus_client.multiprocess import MultiProcessCollector

    if not has_children:
        return REGISTRY
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the library lacks annotations there
    return registry
