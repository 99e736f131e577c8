"""The languages that the package brings: nothing is missing in them, and no page shows a text that they can't have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message

from tests import catalogues
from tests.catalogues import LANGUAGES

PLACEHOLDER = re.compile(r"%\((\w+)\)[a-z]|%[a-z%]|\{(\w*)\}")


@cache
def texts() -> Catalog:
    return catalogues.texts_of(catalogues.PACKAGE)


def ids_of(catalogue: Catalog) -> list[tuple[Any, str | None]]:
    return [(message.id, message.context) for message in catalogues.texts(catalogue)]


def placeholders(text: str) -> list[str]:
    return sorted(match[0] for match in PLACEHOLDER.finditer(text))


@pytest.mark.parametrize("language", LANGUAGES)
class TestACatalogue:
    def test_it_has_every_text_of_the_sources_and_no_other(self, language: str) -> None:
        known = ids_of(catalogues.read(language))

        assert sorted(map(str, known)) == sorted(map(str, ids_of(texts()))), "make translations writes what is new"

    def test_all_of_it_is_translated_in_every_form_and_nothing_is_a_guess(self, language: str) -> None:
        left = catalogues.untranslated(catalogues.read(language))

        assert [message.id for message in left] == []

    def test_a_translation_has_the_placeholders_of_its_text(self, language: str) -> None:
        catalogue = catalogues.read(language)

        wrong = [each.id for each in catalogues.texts(catalogue) if not _fits(each, catalogue.num_plurals)]

        assert wrong == []

    def test_what_is_compiled_is_what_is_written(self, language: str) -> None:
        compiled = catalogues.as_mo(catalogues.compiled(catalogues.read(language)))

        assert catalogues.mo_of(language).read_bytes() == compiled, "make translations compiles it"

    def test_it_is_written_as_the_command_writes_it(self, language: str) -> None:
        assert catalogues.po_of(language).read_bytes() == catalogues.as_po(catalogues.read(language))


def _fits(message: Message, number: int) -> bool:
    given = [placeholders(id) for id in (message.id if message.pluralizable else (message.id,))]
    forms = [placeholders(form) for form in catalogues.forms_of(message, number)]
    # Where a language has one form alone, it stands for any number.
    return all(form in given for form in forms[:-1]) and forms[-1] == given[-1]


def test_the_languages_are_those_that_have_a_folder() -> None:
    assert {path.name for path in catalogues.LOCALE.iterdir()} == LANGUAGES.keys()


class TestTheCommand:
    @pytest.fixture
    def sources(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A package with a text in a module and one in a template, both translated into German."""
        package = tmp_path / "package"
        package.mkdir()
        (package / "module.py").write_text(
            "from django.utils.translation import gettext as _\n\n# Translators: a fruit.\nname = _('apple')\n"
        )
        (package / "page.html").write_text("{% load i18n %}<p>\n    {% translate 'pear' context 'fruit' %}</p>")
        monkeypatch.setattr(catalogues, "PACKAGE", package)
        monkeypatch.setattr(catalogues, "LOCALE", package / "locale")
        monkeypatch.setattr(catalogues, "LANGUAGES", {"de": LANGUAGES["de"]})
        assert catalogues.main() == 1
        po = catalogues.po_of("de")
        translated = po.read_text()
        for fruit, german in (("apple", "Apfel"), ("pear", "Birne")):
            translated = translated.replace(f'msgid "{fruit}"\nmsgstr ""', f'msgid "{fruit}"\nmsgstr "{german}"')
        po.write_text(translated)
        return package

    def test_what_is_translated_is_compiled_and_stays(self, sources: Path) -> None:
        status = catalogues.main()

        assert status == 0
        assert "#. a fruit." in catalogues.po_of("de").read_text()
        assert b"Apfel" in catalogues.mo_of("de").read_bytes()
        assert b"fruit\x04pear" in catalogues.mo_of("de").read_bytes()

    def test_a_text_that_somebody_adds_is_named_until_it_is_translated(
        self, sources: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (sources / "page.html").write_text("{% load i18n %}<p>{% translate 'plum' %}</p>")

        status = catalogues.main()

        assert status == 1
        assert "locale/de/LC_MESSAGES/django.po: not translated: 'plum'" in capsys.readouterr().out
        assert "pear" not in catalogues.po_of("de").read_text()

    def test_what_can_not_be_found_in_the_sources_is_refused(self, sources: Path) -> None:
        (sources / "module.py").write_text("from django.utils.translation import gettext\n\ngettext(name)\n")

        with pytest.raises(ValueError, match=r"module\.py:3: only a literal can be translated"):
            catalogues.main()


def test_texts_are_translated_by_names_that_are_looked_for() -> None:
    imports = re.compile(r"^from django\.utils\.translation import (.+)$", re.MULTILINE)
    names = {
        name.strip().rpartition(" as ")[2]
        for file in catalogues.PACKAGE.rglob("*.py")
        for line in imports.findall(file.read_text())
        for name in line.split(",")
    }

    assert names <= catalogues.KEYWORDS.keys()
