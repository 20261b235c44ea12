"""Relative captions from templates: what a person types to ask for a change of attributes.

The templates are in ``relative_captions.toml`` beside this file; the comment at its top lists the
placeholders. A shop's own file of the same layout adds to them, or replaces them:

    replace = ["colour"]            # kinds of change whose templates of ours are not used

    [en]
    colour = ["in {new}", "the same {article}, just {new}"]
    heel = ["with {a new} heel"]
    "colour+heel" = ["in {colour}, with {a heel} heel"]

    [zh]
    heel = ["{new}跟的"]

    [zh.values]
    stiletto = "细高"

    [zh.names]
    heel = "鞋跟"
"""

from __future__ import annotations

import difflib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from samebut.errors import DataError
from samebut.files import read_text, toml_of
from samebut.language import lexicon
from samebut.language.synonyms import names_of
from samebut.language.templates import LANGUAGES, Template, framed, listed, read_template
from samebut.query_maker.wishes import WISHES

ARTICLE = "article"  # the column that says what a thing is, which decides the templates that fit
BUILT_IN = Path(__file__).with_suffix(".toml")
FRAMED = 0.45  # share of framed fragments where there are whole sentences as well
YES, NO = frozenset(("yes", "true", "y", "1")), frozenset(("no", "false", "n", "0"))
YES_NO = YES | NO

_OF_ARTICLE = {"it": ("it", "them"), "this": ("this", "these"), "is": ("is", "are")}
_TABLES = ("fragments", "parts", "values", "names")
_LISTS = ("frames", "joins")


Table = Mapping[str, tuple[Template, ...]]


@dataclass(frozen=True)
class Book:
    """The templates and words of one language: by kind of change, a column or two joined by +.

    ``framed`` are fragments in every frame; ``parts`` are joined where two attributes change.
    """

    sentences: Table
    framed: Table
    parts: Table
    joins: tuple[Template, ...]
    values: Mapping[str, str]
    names: Mapping[str, str]

    def phrasings(self, kind: str) -> int:
        """How many ways there are to ask for one ``kind`` of change, the values aside."""
        return len(self.sentences.get(kind, ())) + len(self.framed.get(kind, ()))


class RelativeCaptions:
    """Draws relative captions from the books of each language; :meth:`read` makes one."""

    def __init__(self, books: Mapping[str, Book]) -> None:
        self.books = books
        self._fitting: dict[tuple[str, str, str, frozenset[str]], tuple[Template, ...]] = {}

    @classmethod
    def read(cls, path: Path | None = None, columns: Iterable[str] = ()) -> RelativeCaptions:
        """The built-in templates and, over them, a TOML file for a table with ``columns``.

        Raises DataError: not TOML, a key nobody reads (the nearest known one is named), a template
        that is no text, or a placeholder that is no column and no word of ours.
        """
        ours = _toml(BUILT_IN)
        own: dict[str, Any] = {}
        columns = tuple(columns)
        if path is not None:
            own = _toml(Path(path))
            _check(own, ours, columns, str(path))
            _drop_replaced(ours, own)
        known = _placeholders(columns)
        return cls({language: _book(language, ours, own, known, path) for language in LANGUAGES})

    def say(
        self,
        rng: random.Random,
        before: Mapping[str, str],
        changes: Mapping[str, str],
        language: str = "en",
        wishes: Mapping[str, str] = MappingProxyType({}),
    ) -> str | None:
        """A caption that asks for ``changes`` (column to new value) when ``before`` is shown.

        ``before`` holds the reference's values of the changed columns and of those that every
        answer keeps, since a caption may name these. None if ``language`` can't say it: a value
        without a translation, a column without a name. ``wishes`` are the columns whose new value
        is not named, with a row of WISHES each: "not red", not "in blue".
        """
        values = self._values(before, changes, wishes, language)
        asked = {
            column: _kinds(column, value, wishes.get(column, ""))
            for column, value in changes.items()
        }
        if len(asked) == 1:
            ((column, kinds),) = asked.items()
            return self._one(rng, language, kinds, self._of(values, column))
        own = [kinds[0] for kinds in asked.values()]
        both = ("+".join(own), "+".join(reversed(own)))
        sentences = self._fit(language, "sentences", both, values)
        if sentences:
            return rng.choice(sentences).fill(values)
        return self._joined(rng, language, asked, values)

    def word(self, column: str, value: str, language: str) -> str | None:
        """The word for ``value``; None if no translation is known."""
        plain = value.casefold()
        own = self.books[language].values.get(plain)
        if own or language == "en":
            return own or value
        what = lexicon.column(column)
        known = lexicon.TRANSLATIONS.get(what, {}).get(plain)
        if known or what != ARTICLE:
            return known
        return next(iter(names_of(plain, chinese=True)), None)

    def _values(
        self,
        before: Mapping[str, str],
        changes: Mapping[str, str],
        wishes: Mapping[str, str],
        language: str,
    ) -> dict[str, str]:
        """The values of placeholders by name; those without a word in the language are left out."""
        values = {}
        for column, value in before.items():
            word = self.word(column, value, language) if value else None
            if word:
                values[column.replace(" ", "_")] = values["old." + column.replace(" ", "_")] = word
        for column, value in changes.items():
            values.pop(column.replace(" ", "_"), None)
            word = None if column in wishes else self.word(column, value, language)
            if word:
                values[column.replace(" ", "_")] = word
            name = self.books[language].names.get(column)
            if name or language == "en":
                values["attribute." + column] = name or column.replace("_", " ").lower()
            noun = lexicon.PATTERN_NOUNS.get(before.get(column, ""))
            if noun and column in wishes:
                values["noun"] = noun
        plural = lexicon.is_plural(values.get("old.article", ""))
        return values | {name: forms[plural] for name, forms in _OF_ARTICLE.items()}

    @staticmethod
    def _of(values: Mapping[str, str], column: str) -> dict[str, str]:
        """``values``, to which those of ``column`` are added as new, old and attribute."""
        braced = column.replace(" ", "_")
        short = {"new": braced, "old": "old." + braced, "attribute": "attribute." + column}
        return dict(values) | {name: values[long] for name, long in short.items() if long in values}

    def _one(
        self, rng: random.Random, language: str, kinds: Sequence[str], values: dict[str, str]
    ) -> str | None:
        framed = self._fit(language, "framed", kinds, values)
        templates = self._fit(language, "sentences", kinds, values)
        if framed and (not templates or rng.random() < FRAMED):
            templates = framed
        return rng.choice(templates).fill(values) if templates else None

    def _joined(
        self,
        rng: random.Random,
        language: str,
        asked: Mapping[str, Sequence[str]],
        values: dict[str, str],
    ) -> str | None:
        joins = [join for join in self.books[language].joins if join.needs <= {*values, "1", "2"}]
        said = dict(values)
        join = rng.choice(joins)
        for number, (column, kinds) in enumerate(asked.items(), 1):
            mine = self._of(values, column)
            parts = self._fit(language, "parts", kinds, mine)
            if not parts:
                return None
            said[str(number)] = rng.choice(parts).fill(mine)
        return join.fill(said)

    def _fit(
        self, language: str, table: str, kinds: Sequence[str], values: Mapping[str, str]
    ) -> tuple[Template, ...]:
        """The templates that ``values`` can fill, of the first of ``kinds`` that has some."""
        there = frozenset(values)
        for kind in kinds:
            key = (language, table, kind, there)
            if key not in self._fitting:
                templates: Table = getattr(self.books[language], table)
                self._fitting[key] = tuple(t for t in templates.get(kind, ()) if t.needs <= there)
            if self._fitting[key]:
                return self._fitting[key]
        return ()


def _kinds(column: str, value: str, wish: str) -> tuple[str, ...]:
    """The kinds of templates for a change of ``column``, by preference: the column's own, those of
    its standard name ("article" for "kind"), those of any column."""
    plain = value.casefold()
    names = (column, lexicon.column(column))
    if wish:
        return tuple(f"{wish} {name}" for name in (*names, "attribute"))
    return (*names, "yes" if plain in YES else "no" if plain in NO else "attribute")


def _placeholders(columns: Iterable[str]) -> frozenset[str]:
    braced = [column.replace(" ", "_") for column in columns]
    return frozenset(
        (
            *braced,
            *(f"old.{name}" for name in braced),
            "new",
            "old",
            "attribute",
            "noun",
            *_OF_ARTICLE,
        )
    )


def _toml(path: Path) -> dict[str, Any]:
    try:
        return toml_of(read_text(path))
    except ValueError as error:
        raise DataError(
            f"{path}: is not valid TOML, {error}",
            hint="Correct the file at that line, and save it as UTF-8.",
        ) from error


def _check(own: dict[str, Any], ours: dict[str, Any], columns: Sequence[str], where: str) -> None:
    """Refuse keys nobody reads, and values of another type than is read."""
    _known_keys(own, (*LANGUAGES, "replace"), where)
    kinds = [key for key, value in ours["en"].items() if isinstance(value, list)]
    said = [*columns, *(f"{wish} {column}" for wish in WISHES for column in columns)]
    kinds += [*said, *(f"{a}+{b}" for a in said for b in said if a != b)]
    _listed_texts(own.get("replace", []), f"{where} replace")
    _known_keys(own.get("replace", []), kinds, f"{where} replace")
    for language in LANGUAGES:
        book = own.get(language, {})
        _table(book, f"{where} [{language}]")
        _known_keys(book, (*kinds, *_LISTS, *_TABLES), f"{where} [{language}]")
        for key, value in book.items():
            if key not in _TABLES:
                _listed_texts(value, f"{where} [{language}] {key}")
                continue
            _table(value, f"{where} [{language}.{key}]")
            for name, each in value.items():
                _check_entry(key, each, f"{where} [{language}.{key}] {name}")
            if key in ("fragments", "parts"):
                _known_keys(value, kinds, f"{where} [{language}.{key}]")


def _check_entry(table: str, entry: Any, where: str) -> None:
    if table in ("fragments", "parts"):
        _listed_texts(entry, where)
    elif not isinstance(entry, str) or not entry.strip():
        raise DataError(f"{where}: {entry!r} is not a text", hint='Write it as "value" = "text".')


def _table(value: Any, where: str) -> None:
    if not isinstance(value, dict):
        raise DataError(
            f"{where}: is not a table of TOML",
            hint="Write it as docs/train-on-your-catalogue.md shows.",
        )


def _listed_texts(value: Any, where: str) -> None:
    if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
        raise DataError(f"{where}: is not a list of texts", hint='Write it as ["…", "…"].')


def _known_keys(keys: Iterable[str], known: Sequence[str], where: str) -> None:
    for key in keys:
        if key not in known:
            near = difflib.get_close_matches(key, known)
            raise DataError(
                f"{where}: {key!r} is not a key that is known",
                hint=f"Did you mean {near[0]!r}?" if near else f"Known: {listed(set(known))}.",
            )


def _drop_replaced(ours: dict[str, Any], own: dict[str, Any]) -> None:
    """Remove from our templates the kinds that the user replaces, in each language in which the
    user's file has them."""
    for language in LANGUAGES:
        mine = own.get(language, {})
        for kind in own.get("replace", []):
            if kind in mine or kind in mine.get("fragments", {}):
                ours[language].pop(kind, None)
                ours[language]["fragments"].pop(kind, None)


def _book(
    language: str,
    ours: dict[str, Any],
    own: dict[str, Any],
    known: frozenset[str],
    path: Path | None,
) -> Book:
    mine = own.get(language, {})

    def templates(of: str | None) -> dict[str, tuple[Template, ...]]:
        found: dict[str, tuple[Template, ...]] = {}
        for source, allowed, where in ((ours, None, "built in"), (mine, known, str(path))):
            book = source[language] if source is ours else source
            table = book.get(of, {}) if of else book
            for kind, texts in table.items():
                if isinstance(texts, list) and kind not in _LISTS:
                    place = f"{where} [{'.'.join(filter(None, (language, of)))}] {kind}"
                    found[kind] = found.get(kind, ()) + tuple(
                        read_template(text, allowed, place) for text in texts
                    )
        return found

    frames = [*ours[language].get("frames", ()), *mine.get("frames", ())]
    return Book(
        sentences=templates(None),
        framed={kind: framed(frames, each) for kind, each in templates("fragments").items()},
        parts=templates("parts"),
        joins=tuple(
            read_template(text, None if known is None else known | {"1", "2"}, place)
            for table, known, place in (
                (ours[language], None, "built in joins"),
                (mine, known, f"{path} [{language}] joins"),
            )
            for text in table.get("joins", ())
        ),
        values={k.casefold(): v for k, v in mine.get("values", {}).items()},
        names=(lexicon.COLUMNS_ZH if language == "zh" else {}) | mine.get("names", {}),
    )
