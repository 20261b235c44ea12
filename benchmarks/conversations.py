"""Conversations of two to four wishes about one picture, and every picture that fulfils them.

Each kind is rows of steps. A step is a column to wish for: "colour" (a value that the picture does
not have), "colour!" (another one than was wished for before), "colour=" (the picture's own again),
"colour-" (not the one that was wished for, after all).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samebut.language import lexicon
from samebut.wardrobe.attributes import ASPECTS, Item, aspect_of
from samebut.wardrobe.benchmark import RECIPE, plan
from samebut.wardrobe.families import Family
from samebut.wardrobe.phrases import caption

Right = NDArray[np.bool_]
LANGUAGES = ("en", "zh")
TRIES = 1_000  # for each conversation
KEPT = ("gender", "article", "colour")  # what the reference has and nobody speaks of stays

KINDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "two wishes": (("colour", "article"), ("article", "colour")),
    "two, taken back": (("colour", "colour!"), ("article", "article!")),
    "three wishes": (
        ("colour", "article", "pattern"),
        ("pattern", "colour", "article"),
        ("article", "pattern", "colour"),
        ("gender", "colour", "pattern"),
        ("colour", "article", "gender"),
    ),
    "three, first taken back": (
        ("colour", "article", "colour!"),
        ("colour", "pattern", "colour!"),
        ("article", "colour", "article!"),
    ),
    "three, back to the picture's": (
        ("colour", "article", "colour="),
        ("colour", "pattern", "colour="),
    ),
    "three, not after all": (("colour", "article", "colour-"), ("colour", "pattern", "colour-")),
    "four wishes": (
        ("colour", "article", "pattern", "gender"),
        ("pattern", "gender", "colour", "article"),
        ("gender", "article", "pattern", "colour"),
    ),
    "four, first taken back": (
        ("colour", "article", "pattern", "colour!"),
        ("pattern", "article", "colour", "pattern!"),
        ("colour", "colour!", "article", "colour!"),
    ),
}

SAID: dict[str, dict[str, Sequence[str]]] = {
    "en": {
        "colour": ("in {0}", "make it {0}", "but {0}", "the same in {0}"),
        "article": ("as {1}", "change it to {1}", "but {1}", "make it {1}"),
        "pattern": ("{0}", "but {0}", "make it {0}", "with a {0} pattern"),
        "gender": ("for {0}", "but for {0}"),
        "colour!": ("no, in {0} after all", "actually in {0}", "better in {0}"),
        "article!": ("no, as {1} after all", "actually {1}", "better as {1}"),
        "pattern!": ("no, {0} after all", "actually {0}", "better {0}"),
        "colour=": ("back to {0}", "no, {0} after all", "better in {0} again"),
        "colour-": ("not {0} after all", "but not {0}", "no {0}, please"),
    },
    "zh": {
        "colour": ("换成{0}", "要{0}的", "{0}", "颜色换成{0}"),
        "article": ("换成{0}", "要{0}", "改成{0}"),
        "pattern": ("{0}的", "换成{0}图案", "要{0}的"),
        "gender": ("{0}", "换成{0}"),
        "colour!": ("还是要{0}", "还是{0}吧", "算了，换成{0}"),
        "article!": ("还是要{0}", "算了，换成{0}"),
        "pattern!": ("还是要{0}的", "算了，换成{0}"),
        "colour=": ("还是换回{0}", "还是要{0}", "算了，还是{0}吧"),
        "colour-": ("还是不要{0}了", "不要{0}", "但不要{0}"),
    },
}


@dataclass(frozen=True)
class Talk:
    """``texts`` about the picture ``reference``, and which pictures are ``right``, (N,)."""

    reference: int
    texts: tuple[str, ...]
    right: Right
    language: str


def of_table(rows: Sequence[Mapping[str, str]], kind: str, count: int) -> Iterator[Talk]:
    """``count`` conversations from the rows of a table with gender, article, colour and pattern.

    The last value of a column comes from one row, so that what is asked for exists.
    """
    rng = random.Random(kind)
    columns = {name: np.array([row.get(name, "") for row in rows]) for name in (*KEPT, "pattern")}
    made = 0
    for _ in range(TRIES * count):
        if made == count:
            return
        language = LANGUAGES[made % 2]
        talk = _of_rows(rng, rows, columns, rng.choice(KINDS[kind]), language)
        if talk is not None:
            made += 1
            yield talk


def _of_rows(
    rng: random.Random,
    rows: Sequence[Mapping[str, str]],
    columns: Mapping[str, NDArray[np.str_]],
    steps: Sequence[str],
    language: str,
) -> Talk | None:
    place = rng.randrange(len(rows))
    row, target = rows[place], rng.choice(rows)
    named = [step.rstrip("!=-") for step in steps]
    if not all(row.get(column) for column in {*KEPT, *named}):
        return None
    wanted, refused, texts = {column: row[column] for column in KEPT}, {}, []
    before: set[tuple[str, str]] = set()
    for number, (step, column) in enumerate(zip(steps, named, strict=True)):
        if step.endswith("-"):
            value = refused[column] = wanted.pop(column)
        elif step.endswith("="):
            value = row[column]
        else:
            source = rng.choice(rows) if column in named[number + 1 :] else target
            value = source.get(column, "")
            if value in ("", row[column]) or (column, value) in before:
                return None
        if not step.endswith("-"):
            wanted[column] = value
        before.add((column, value))
        texts.append(_said(rng, language, step, column, value))
    right = np.ones(len(rows), np.bool_)
    for column, value in wanted.items():
        right &= columns[column] == value
    for column, value in refused.items():
        right &= (columns[column] != value) & (columns[column] != "")
    right[place] = False
    return Talk(place, tuple(texts), right, language) if right.any() and all(texts) else None


def _said(rng: random.Random, language: str, step: str, column: str, value: str) -> str:
    """A wish in words; empty if the language has none for the value."""
    called = value if language == "en" else lexicon.TRANSLATIONS[column].get(value, "")
    if not called:
        return ""
    return rng.choice(SAID[language][step]).format(called, lexicon.indefinite(called))


WALKS: dict[str, tuple[str, ...]] = {
    "two wishes": ("a", "b"),
    "two, taken back": ("a", "a!"),
    "three wishes": ("a", "b", "c"),
    "three, first taken back": ("a", "b", "a!"),
    "three, back to the picture's": ("a", "b", "a="),
    "four wishes": ("a", "b", "c", "d"),
    "four, first taken back": ("a", "b", "c", "a!"),
}
"""The same from item to item of a drawn family, a letter for what varies in it."""


def of_wardrobe(root: Path, names: Sequence[str], kind: str, count: int) -> Iterator[Talk]:
    """``count`` conversations about the val split of a drawn wardrobe (``names`` are its pictures),
    in the sentences that its queries are made of; right is the one item that they lead to."""
    if kind not in WALKS:
        return
    recipe = json.loads((root / RECIPE).read_text(encoding="utf-8"))
    planned = plan(seed=recipe["seed"], families=recipe["families"], queries=recipe["queries"])
    split = next(each for each in planned if each.name == "val")
    place = {name: number for number, name in enumerate(names)}
    shown: dict[Item, list[int]] = {}
    for picture in split.pictures:
        shown.setdefault(picture.item, []).append(place[picture.file])
    rng, made = random.Random(kind), 0
    for _ in range(TRIES * count):
        if made == count:
            return
        talk = _walk(rng, rng.choice(split.families), WALKS[kind], shown, LANGUAGES[made % 2])
        if talk is not None:
            made += 1
            yield replace(talk, right=np.isin(np.arange(len(names)), np.flatnonzero(talk.right)))


def _walk(
    rng: random.Random,
    family: Family,
    steps: Sequence[str],
    shown: Mapping[Item, Sequence[int]],
    language: str,
) -> Talk | None:
    letters = sorted({step[0] for step in steps})
    aspects = [aspect for aspect, _ in family.axes]
    if len(aspects) < len(letters):
        return None
    aspect_called = dict(zip(letters, rng.sample(aspects, len(letters)), strict=True))
    first = item = rng.choice(family.items)
    texts, before = [], {(a, aspect_of(first, a)) for a in aspects}
    for step in steps:
        aspect = aspect_called[step[0]]
        if step.endswith("="):
            value = aspect_of(first, aspect)
        else:
            fresh = [v for v in family.values(aspect) if (aspect, v) not in before]
            if not fresh:
                return None
            value = rng.choice(fresh)
        before.add((aspect, value))
        changed = replace(item, **dict(zip(ASPECTS[aspect], value, strict=True)))
        texts.append(caption(rng, item, changed, language))
        item = changed
    right = np.zeros(1 + max(max(ids) for ids in shown.values()), np.bool_)
    right[list(shown[item])] = True
    return Talk(rng.choice(shown[first]), tuple(texts), right, language)
