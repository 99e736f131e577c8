"""One dict of the settings, read key by key; whatever is wrong becomes a problem with the path of its key."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from .problems import Kind, Problems, key_path, kind_of, sentence, shown
from .readers import Invalid, Reader

T = TypeVar("T")


class Section:
    """A dict at a path. ``origins`` says where a key was written, if that was in another dict."""

    def __init__(
        self, values: Mapping[str, Any], path: str, problems: Problems, origins: Mapping[str, str] | None = None
    ) -> None:
        self.values = values
        self.path = path
        self.problems = problems
        self._origins = origins or {}

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def path_of(self, key: str) -> str:
        return self._origins.get(key) or key_path(self.path, key)

    def read(self, key: str, reader: Reader[T], default: T) -> T:
        """Return the value of ``key`` as ``reader`` understands it; ``default`` where it is absent or wrong."""
        if key not in self.values:
            return default
        value = self.values[key]
        try:
            return reader(value)
        except Invalid as invalid:
            self.add(key, invalid.kind, f"is {shown(value)}: {invalid}")
            return default

    def read_given(self, readers: Mapping[str, Reader[Any]]) -> dict[str, Any]:
        """Return the keys that are there and right, as their readers understand them."""
        missing: Any = object()
        values = {key: self.read(key, reader, missing) for key, reader in readers.items() if key in self.values}
        return {key: value for key, value in values.items() if value is not missing}

    def read_list(self, key: str, reader: Reader[T], example: str) -> tuple[T, ...]:
        """Return the items of a list; each wrong one is a problem of its own."""
        if key not in self.values:
            return ()
        items = self.values[key]
        if not isinstance(items, list | tuple):
            self.add(key, Kind.VALUE, f"is {shown(items)}: use a list, like {example}")
            return ()
        read = []
        for index, item in enumerate(items):
            try:
                read.append(reader(item))
            except Invalid as invalid:
                self.problems.add(invalid.kind, f"{self.path_of(key)}[{index}] is {shown(item)}: {sentence(invalid)}")
        for item in sorted({str(item) for item in read if read.count(item) > 1}):
            self.add(key, Kind.VALUE, f"names {shown(item)} twice: remove one")
        return tuple(read)

    def section(self, key: str, example: str) -> Section | None:
        """Return the dict at ``key``; None where it is absent or no dict."""
        value = self.values.get(key)
        if key not in self.values:
            return None
        if not isinstance(value, Mapping):
            self.add(key, Kind.SHAPE, f"is {kind_of(value)}: use a dict, like {example}")
            return None
        return Section(value, self.path_of(key), self.problems)

    def sections(self, key: str, example: str, *, of: str) -> dict[str, Section]:
        """Return the dicts in the dict at ``key``, by name; ``of`` is an example of one of them."""
        outer = self.section(key, example)
        inner = {} if outer is None else {str(name): outer.section(name, of) for name in outer.values}
        return {name: section for name, section in inner.items() if section is not None}

    def require(self, key: str, remedy: str) -> None:
        if key not in self.values:
            self.problems.add(Kind.MISSING, f"{key_path(self.path, key)} is missing: {sentence(remedy)}")

    def refuse_unknown(self, known: Iterable[str], explain: Callable[[str], str | None] = lambda key: None) -> None:
        """Make a problem of each key that isn't known, with the nearest one that is."""
        known = list(known)
        for key in self.values:
            if key in known:
                continue
            remedy = (explain(key) if isinstance(key, str) else None) or nearest(key, known)
            self.problems.add(Kind.UNKNOWN_KEY, f"{self.path_of(key)} is unknown: {sentence(remedy)}")

    def add(self, key: str, kind: Kind, text: str) -> None:
        self.problems.add(kind, f"{self.path_of(key)} {sentence(text)}")


def nearest(key: object, known: list[str]) -> str:
    """Return the advice for an unknown key."""
    close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
    if close:
        return f'did you mean "{close[0]}"?'
    return f"remove it, or use one of {', '.join(sorted(known))}"
