"""The page's words: every language has them all, and the page uses them all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import samebut

STATIC = Path(samebut.__file__).parent / "serve" / "static"
PAGE = (STATIC.parent / "page.py").read_text("utf-8")
LANGUAGES = {path.stem: json.loads(path.read_text("utf-8")) for path in STATIC.glob("i18n/*.json")}
SOURCES = "\n".join(
    path.read_text("utf-8")
    for path in [*sorted(STATIC.glob("*.html")), *sorted(STATIC.glob("js/*.js"))]
)
# Keys that are put together from what a gallery holds, or from a word of the page's own.
FAMILIES = ("ask.", "place.", "fusion.", "seen.", "box.", "reason.from.")
EXAMPLE = re.compile(r"words\.(alone|change|refine|both)\.eg")
PLACEHOLDER = re.compile(r"\{(\w+)\}")
CHINESE = re.compile("[\u4e00-\u9fff]")


def test_the_languages() -> None:
    assert set(LANGUAGES) == {"en", "zh"}


def test_same_keys_in_both() -> None:
    assert list(LANGUAGES["en"]) == list(LANGUAGES["zh"])


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_no_string_is_empty_but_the_glue_chinese_does_without(language: str) -> None:
    empty = [key for key, text in LANGUAGES[language].items() if not text]
    assert empty == (["place.join"] if language == "zh" else [])


@pytest.mark.parametrize("key", sorted(LANGUAGES["en"]))
def test_same_placeholders_in_both(key: str) -> None:
    english, chinese = (PLACEHOLDER.findall(LANGUAGES[tag][key]) for tag in ("en", "zh"))
    assert sorted(english) == sorted(chinese)


def test_chinese_is_chinese() -> None:
    plain = [key for key, text in LANGUAGES["zh"].items() if not CHINESE.search(text)]
    assert set(plain) == {"place.join", "ask.thing", "filters.chosen", "values.join"}


def test_every_key_is_used() -> None:
    quoted = set(re.findall(r'["`]([a-z][\w.-]*)["`]', SOURCES + PAGE))
    keys = [key for key in LANGUAGES["en"] if not key.startswith(FAMILIES)]
    unused = [key for key in keys if key not in quoted and not EXAMPLE.fullmatch(key)]
    assert unused == []


def test_every_key_that_is_asked_for_exists() -> None:
    asked = re.findall(r'\bt\("([^"]+)"|data-i18n(?:-label)?="([^"]+)"', SOURCES)
    missing = {key for pair in asked for key in pair if key} - set(LANGUAGES["en"])
    assert missing == set()
