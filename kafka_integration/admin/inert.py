"""What others named is shown as it is on every page, Django's own parts of them included: it steers nothing there."""

from __future__ import annotations

import re

from django.http.response import HttpResponse, HttpResponseBase
from django.template.response import SimpleTemplateResponse

# Control characters but for white space, and those that turn the direction of what follows. Marks and joiners belong to
# how some languages are written, in translations too.
_STEERING = "[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069]"
_FIRST = re.compile(_STEERING)
# A field holds what is sent back: another name would be somebody else's.
_IN_A_PAGE = re.compile(f"<input\\b[^>]*>|{_STEERING}")


def made_inert(response: HttpResponseBase) -> None:
    """Write out what steers in a page, as Python would; at once, or when it is rendered."""
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response.add_post_render_callback(_write_out)
    elif isinstance(response, HttpResponse):
        _write_out(response)


def _write_out(response: HttpResponse) -> None:
    page = response.content.decode(response.charset)
    if _FIRST.search(page):
        response.content = _IN_A_PAGE.sub(_shown, page)


def _shown(found: re.Match[str]) -> str:
    text = found[0]
    return text if len(text) > 1 else text.encode("unicode_escape").decode()
