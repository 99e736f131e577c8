"""The texts of the package's pages and their translations: `python -m tests.catalogues`, which is `make translations`.

Brings each language's `django.po` in step with the sources and compiles it. What is translated stays so; a text that is
new has an empty translation there and is listed, and the exit status is 1 until somebody has written it.
"""

from __future__ import annotations

import ast
import io
import struct
import sys
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

import kafka_integration

PACKAGE = Path(kafka_integration.__file__).parent
LOCALE = PACKAGE / "locale"
# Forms of plurals as Django's admin has them in these languages.
LANGUAGES = {
    "de": "nplurals=2; plural=(n != 1);",
    "es": "nplurals=2; plural=(n != 1);",
    "fr": "nplurals=2; plural=(n > 1);",
    "ja": "nplurals=1; plural=0;",
    "pt_BR": "nplurals=2; plural=(n > 1);",
    "zh_Hans": "nplurals=1; plural=0;",
}
MARK = "Translators:"

# Which argument is a text, and which a context.
FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "gettext": (1,),
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
KEYWORDS = {**FUNCTIONS, **{f"{name}_lazy": places for name, places in FUNCTIONS.items()}, "_": (1,)}


def main() -> int:
    """Update and compile all; 1 if something is not translated."""
    wanted = texts_of(PACKAGE)
    left = 0
    for language in LANGUAGES:
        catalogue = read(language)
        catalogue.update(wanted, no_fuzzy_matching=True)
        po_of(language).parent.mkdir(parents=True, exist_ok=True)
        po_of(language).write_bytes(as_po(catalogue))
        mo_of(language).write_bytes(as_mo(compiled(catalogue)))
        for message in untranslated(catalogue):
            left += 1
            print(f"{po_of(language).relative_to(PACKAGE.parent)}: not translated: {message.id!r}")
    return min(left, 1)


def po_of(language: str) -> Path:
    return LOCALE / language / "LC_MESSAGES" / "django.po"


def mo_of(language: str) -> Path:
    return po_of(language).with_suffix(".mo")


def read(language: str) -> Catalog:
    """What is translated into a language; nothing yet, if it is a new one."""
    if po_of(language).exists():
        with po_of(language).open("rb") as file:
            return read_po(file, locale=language, abort_invalid=True)
    catalogue = Catalog(locale=language)
    catalogue.mime_headers = [("Plural-Forms", LANGUAGES[language])]
    return catalogue


def texts_of(folder: Path) -> Catalog:
    """Every text that modules and templates have translated, without translations."""
    catalogue = Catalog()
    for file in sorted(file for file in folder.rglob("*") if file.suffix in (".py", ".html")):
        found = _of_module(file) if file.suffix == ".py" else _of_template(file)
        for id, context, comments in found:
            place = str(file.relative_to(folder.parent))
            catalogue.add(id, context=context, locations=[(place, 1)], auto_comments=comments)
    return catalogue


def untranslated(catalogue: Catalog) -> list[Message]:
    """Those that are not whole: without a translation, without one of its forms, or marked as a guess."""
    return [each for each in texts(catalogue) if each.fuzzy or not all(forms_of(each, catalogue.num_plurals))]


def texts(catalogue: Catalog) -> Iterator[Message]:
    """The messages of a catalogue without its heading."""
    return (message for message in catalogue if message.id)


def forms_of(message: Message, number: int) -> tuple[str, ...]:
    """A translation's forms: so many, if it has a plural."""
    if not message.pluralizable:
        return (message.string or "",)
    strings = message.string if isinstance(message.string, tuple | list) else (message.string,)
    return (*strings, *[""] * number)[:number]


def as_po(catalogue: Catalog) -> bytes:
    """A .po file without times and line numbers, which differ although no text does."""
    file = io.BytesIO()
    write_po(file, catalogue, width=100, omit_header=True, ignore_obsolete=True, include_lineno=False)
    heading = "".join(f'"{line}\\n"\n' for line in _heading(catalogue).splitlines())
    return f'msgid ""\nmsgstr ""\n{heading}\n{file.getvalue().decode()}'.encode()


def compiled(catalogue: Catalog) -> dict[str, str]:
    """What a .mo file has of a catalogue: whole translations by what is looked up."""
    missing = {(each.id, each.context) for each in untranslated(catalogue)}
    found = {"": _heading(catalogue)}
    for message in texts(catalogue):
        if (message.id, message.context) not in missing:
            ids = message.id if message.pluralizable else (message.id,)
            context = f"{message.context}\x04" if message.context else ""
            found[context + "\0".join(ids)] = "\0".join(forms_of(message, catalogue.num_plurals))
    return found


def as_mo(pairs: Mapping[str, str]) -> bytes:
    """A .mo file, as msgfmt would write it."""
    rows = sorted(pairs.items(), key=lambda pair: pair[0].encode())
    offset = 28 + 16 * len(rows)
    tables, strings = [], b""
    for column in (0, 1):
        for row in rows:
            data = row[column].encode()
            tables.append(struct.pack("<II", len(data), offset + len(strings)))
            strings += data + b"\0"
    header = struct.pack("<7I", 0x950412DE, 0, len(rows), 28, 28 + 8 * len(rows), 0, 0)
    return header + b"".join(tables) + strings


def _heading(catalogue: Catalog) -> str:
    return (
        f"Language: {catalogue.locale_identifier}\n"
        "MIME-Version: 1.0\n"
        "Content-Type: text/plain; charset=UTF-8\n"
        "Content-Transfer-Encoding: 8bit\n"
        f"Plural-Forms: {catalogue.plural_forms}\n"
    )


Found = tuple[str | tuple[str, str], str | None, list[str]]
"""A text, or both numbers of one; its context; what translators are told."""


def _of_module(file: Path) -> Iterator[Found]:
    source = file.read_text()
    if "gettext" not in source:
        return
    comments = _comments(source)
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    for node in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        if places := KEYWORDS.get(getattr(node.func, "id", "")):
            context, ids = None, []
            for place in places:
                number, is_context = (place[0], True) if isinstance(place, tuple) else (place, False)
                argument = node.args[number - 1]
                if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
                    raise ValueError(f"{file}:{node.lineno}: only a literal can be translated")
                if is_context:
                    context = argument.value
                else:
                    ids.append(argument.value)
            yield _id(ids), context, _told(comments, node.lineno)


def _of_template(file: Path) -> Iterator[Found]:
    # Indentation means nothing there, and something to a reader of Python.
    code = "\n".join(line.strip() for line in templatize(file.read_text(), origin=str(file)).splitlines())
    source = io.BytesIO(code.encode())
    for _line, ids, comments, context in extract("python", source, KEYWORDS, [MARK], {}, strip_comment_tags=True):
        yield _id([ids] if isinstance(ids, str) else ids), context, [*comments]


def _id(ids: Iterable[str]) -> str | tuple[str, str]:
    one, *more = ids
    return (one, more[0]) if more else one


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string[1:].strip() for token in tokens if token.type == tokenize.COMMENT}


def _told(comments: Mapping[int, str], line: int) -> list[str]:
    text = comments.get(line - 1, "")
    return [text.removeprefix(MARK).strip()] if text.startswith(MARK) else []


if __name__ == "__main__":
    sys.exit(main())
