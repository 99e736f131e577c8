"""Keys, values and headers in the admin: text where they are, hexadecimal where not, and never markup."""

from __future__ import annotations

import json
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _

from ..cells import NONE
from ..dead_letters.texts import SHOWN_BYTES, legible
from ..headers import read_headers
from ..summaries import escaped

LINES = "\n\t"


def payload_block(data: bytes | memoryview | None) -> str:
    """Bytes as a block of text, which says first if it isn't the whole."""
    block = format_html('<pre class="kafka-block">{}</pre>', legible(data, keep=LINES))
    if data is None or len(data) <= SHOWN_BYTES:
        return block
    note = _("The first %(shown)d of %(all)d bytes:") % {"shown": SHOWN_BYTES, "all": len(data)}
    return format_html('<div class="kafka-note">{}</div>{}', note, block)


def headers_table(dumped: Any) -> str:
    """Headers in their order, as ``headers.dump_headers`` wrote them; what others wrote as it is."""
    headers = read_headers(dumped)
    if headers is None:
        return payload_block(json.dumps(dumped).encode())
    rows = [(escaped(name) or _("(empty)"), legible(value)) for name, value in headers]
    if not rows:
        return NONE
    cells = format_html_join("", "<tr><th>{}</th><td>{}</td></tr>", rows)
    return format_html('<table class="kafka-headers"><tbody>{}</tbody></table>', cells)
