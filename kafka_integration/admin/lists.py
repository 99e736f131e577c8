"""Several names in a sentence or a cell, as the language of the page writes them."""

from __future__ import annotations

from collections.abc import Iterable

from django.utils.translation import pgettext


def listed(names: Iterable[object]) -> str:
    # Translators: what stands between names, which may be in any number; there is no “and” before the last.
    return pgettext("between the items of a list", ", ").join(map(str, names))
