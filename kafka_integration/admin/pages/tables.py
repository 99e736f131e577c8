"""Tables that may have hundreds of rows: made here, as each cell of a template takes its time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import conditional_escape, format_html, format_html_join
from django.utils.safestring import SafeString


@dataclass(frozen=True, kw_only=True)
class Column:
    """On a telephone, where a row is a block, each of its cells has the label beside it."""

    label: Any
    look: str = ""
    """A class of the style sheet."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A cell that isn't marked as safe is escaped. The first one names the row."""

    cells: Sequence[Any]
    id: str = ""


NUMBER = "kafka-number"


def table(columns: Sequence[Column], rows: Iterable[Row]) -> SafeString:
    """With its head; the cells of each row are those of the columns."""
    head = format_html_join("", '<th scope="col"{}>{}</th>', ((_class(each), each.label) for each in columns))
    begins = ['<th scope="row">', *(_begin(column) for column in columns[1:])]
    ends = ["</th>", *["</td>"] * (len(columns) - 1)]
    lines = [_line(row, begins, ends) for row in rows]
    return format_html(
        '<table class="kafka-table kafka-stacked">\n<thead><tr>{}</tr></thead>\n<tbody>\n{}</tbody>\n</table>',
        *(head, SafeString("".join(lines))),
    )


def _begin(column: Column) -> str:
    return format_html('<td data-label="{}"{}>', column.label, _class(column))


def _class(column: Column) -> SafeString:
    return format_html(' class="{}"', column.look) if column.look else SafeString()


def _line(row: Row, begins: Sequence[str], ends: Sequence[str]) -> str:
    cells = "\n".join(
        f"{begin}{conditional_escape(cell)}{end}" for begin, cell, end in zip(begins, row.cells, ends, strict=True)
    )
    named = f' id="{conditional_escape(row.id)}"' if row.id else ""
    return f"<tr{named}>\n{cells}\n</tr>\n"
