"""A search in a table that may be large: for an id, and for names of which there are far fewer than rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connections
from django.db.models import Q, QuerySet
from django.utils.text import smart_split, unescape_string_literal

from ..operating.typed import is_number

MOST_NAMES = 500
"""Of one field. With more of them its rows are read, each one."""

# Each name is found by a step in the index that begins with it, past all rows that have the one before.
_NAMES = """\
WITH RECURSIVE names(name) AS (
    SELECT min({field}) FROM {table}
    UNION ALL
    SELECT (SELECT min({field}) FROM {table} WHERE {field} > names.name) FROM names WHERE names.name IS NOT NULL
)
SELECT name FROM names WHERE name IS NOT NULL LIMIT %s
"""


def search(rows: QuerySet[Any], text: str, fields: Sequence[str]) -> QuerySet[Any]:
    """The rows that have each word in one of these fields, or as their id; each field has an index of its own."""
    words = dict.fromkeys(_words(text))
    names = {field: _names(rows, field) for field in fields} if words else {}
    for word in words:
        found = Q(pk=int(word)) if is_number(word) else Q(pk__in=())
        for field, known in names.items():
            found |= _holding(field, known, word)
        rows = rows.filter(found)
    return rows


def _words(text: str) -> Iterator[str]:
    """As Django's own search has them: quotes keep words together."""
    for word in smart_split(text):
        is_quoted = word[0] in "\"'" and word[0] == word[-1] and len(word) > 1
        yield unescape_string_literal(word) if is_quoted else word


def _names(rows: QuerySet[Any], field: str) -> Sequence[str] | None:
    """All that the table has; None where there are too many."""
    connection = connections[rows.db]
    quoted = {"table": rows.model._meta.db_table, "field": rows.model._meta.get_field(field).column}
    statement = _NAMES.format(**{name: connection.ops.quote_name(text) for name, text in quoted.items()})
    with connection.cursor() as cursor:
        cursor.execute(statement, [MOST_NAMES + 1])
        found = [name for (name,) in cursor.fetchall()]
    return found if len(found) <= MOST_NAMES else None


def _holding(field: str, known: Sequence[str] | None, word: str) -> Q:
    if known is None:
        return Q(**{f"{field}__icontains": word})
    return Q(**{f"{field}__in": [name for name in known if word.casefold() in name.casefold()]})
