"""Captions of catalogue pictures, in English and Chinese, for aligning pictures with words.

A caption is the row's title, or a phrase made from its attributes. A random part of the attributes
is mentioned each time, so the text tower learns each of them alone and combined.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping

from samebut.language.lexicon import ARTICLES_ZH, COLOURS_ZH, GENDERS_ZH, PATTERNS_ZH
from samebut.language.synonyms import names_of, synonym_groups

Row = Mapping[str, str]

SAID = 0.8  # share of known attributes that a caption mentions
CHINESE = 0.3  # share of Chinese captions; of queries a sixth is Chinese
TITLE = 0.4  # share of English captions that are the title
USUAL = 0.5  # share of captions with the catalogue's own name of a thing, not a synonym


def english(row: Row, rng: random.Random) -> str:
    """A phrase such as "striped blue shirt for men" from what the row knows."""
    said = _said(row, rng)
    looks = [said["pattern"], said["colour"]]
    rng.shuffle(looks)
    phrase = [*looks, called(said["article"], rng, chinese=False)]
    if said["gender"]:
        phrase = (
            [*phrase, "for", said["gender"]] if rng.random() < 0.5 else [said["gender"], *phrase]
        )
    return " ".join(word for word in phrase if word)


def chinese(row: Row, rng: random.Random) -> str:
    """A phrase such as 男款蓝色条纹衬衫 from what the row knows."""
    said = _said(row, rng)
    parts = (
        GENDERS_ZH.get(said["gender"], ""),
        COLOURS_ZH.get(said["colour"], ""),
        PATTERNS_ZH.get(said["pattern"], ""),
        called(said["article"], rng, chinese=True),
    )
    return ("的" if rng.random() < 0.2 else "").join(part for part in parts if part)


def called(article: str, rng: random.Random, *, chinese: bool) -> str:
    """The name of a thing in one language, the catalogue's or a synonym; "" if the language has
    none."""
    usual = ARTICLES_ZH.get(article, "") if chinese else article
    names = names_of(article, chinese=chinese)
    if names and (not usual or rng.random() >= USUAL):
        return rng.choice(names)
    return usual


def caption(row: Row, rng: random.Random) -> str:
    """A caption of the row, drawn from its title and both languages."""
    if rng.random() < CHINESE:
        return row.get("title_zh") or chinese(row, rng) or title(row)
    if rng.random() < TITLE:
        return title(row)
    return english(row, rng) or title(row)


def title(row: Row) -> str:
    """The row's title, or what is on the picture where a catalogue has no titles."""
    return row.get("title") or article(row)


def article(row: Row) -> str:
    """What is on the picture, however the catalogue calls the column."""
    return row.get("article") or row.get("kind") or row.get("label", "").lower()


def words(rows: Iterable[Row]) -> Iterator[str]:
    """Every title and every word of both languages, to train a tokenizer on."""
    for row in rows:
        yield title(row)
        yield row.get("title_zh", "")
    for group in synonym_groups():
        yield from group
    for lexicon in (COLOURS_ZH, ARTICLES_ZH, PATTERNS_ZH, GENDERS_ZH):
        for source, translation in lexicon.items():
            yield source
            yield translation


def _said(row: Row, rng: random.Random) -> dict[str, str]:
    """The attributes to mention: each known one most of the time, the article nearly always."""
    known = {
        "pattern": row.get("pattern", "").replace("plain", ""),
        "colour": row.get("colour", ""),
        "article": article(row),
        "gender": row.get("gender", ""),
    }
    chances = {"pattern": SAID, "colour": SAID, "article": 0.95, "gender": SAID / 2}
    return {name: known[name] if rng.random() < chances[name] else "" for name in known}
