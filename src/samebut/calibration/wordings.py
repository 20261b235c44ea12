"""Wordings of queries in English and Chinese, and queries that a gallery can't answer."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Collection, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from samebut.language import lexicon
from samebut.language.synonyms import common_name, names_of
from samebut.language.things import things

DRAWN = 200
"""Most queries of one sort for one gallery."""
LAST_ANIMAL = "n02655020"  # ImageNet's classes up to this WordNet id are animals


@cache
def words() -> dict[str, Any]:
    """``words.toml``: made-up words, things that galleries lack, and wordings."""
    text = files("samebut.calibration").joinpath("words.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def phrases(wording: str, name: str) -> list[str]:
    """Texts that ask for a kind or a colour: English, and Chinese where it has a Chinese name."""
    return _worded(wording, name, _chinese(name))


def coloured_phrases(colour: str, kind: str) -> list[str]:
    """Texts that ask for a kind in a colour, in the languages that have names for both."""
    wordings = words()["wordings"]["coloured"]
    texts = [wording.format(colour=colour, kind=kind) for wording in wordings["en"]]
    of_colour, of_kind = _chinese(colour), _chinese(kind)
    if of_colour and of_kind:
        texts += [wording.format(colour=of_colour, kind=of_kind) for wording in wordings["zh"]]
    return texts


def lacking(lacked: Sequence[str], kinds: Collection[str], wording: str) -> list[str]:
    """Things that a gallery of ``kinds`` lacks, one wording each, in a fixed random order.

    They are animals, machines, buildings and instruments, and the kinds of other subjects,
    ``lacked``.
    """
    listed, there, rng = {*words()["things"]["en"]}, {*kinds}, random.Random(0)
    chosen = [
        each
        for each in things()
        if (each.wordnet <= LAST_ANIMAL or listed & {*each.english})
        and not there & {common_name(name) for name in each.english}
    ]
    drawn = rng.sample(chosen, min(DRAWN, len(chosen)))
    texts = [rng.choice(_worded(wording, each.english[0], each.chinese[0])) for each in drawn]
    texts += [rng.choice(phrases(wording, kind)) for kind in lacked]
    return rng.sample(texts, len(texts))


def _worded(wording: str, name: str, chinese: str) -> list[str]:
    """Every wording of a thing; a bare name stands without an article."""
    wordings, is_colour = words()["wordings"][wording], name in lexicon.TRANSLATIONS["colour"]
    thing = name if is_colour else lexicon.indefinite(name)
    texts = [each.format(name if each == "{}" else thing) for each in wordings["en"]]
    return texts + ([each.format(chinese) for each in wordings["zh"]] if chinese else [])


def _chinese(name: str) -> str:
    known = (lexicon.TRANSLATIONS[column].get(name, "") for column in ("article", "colour"))
    return next(filter(None, known), "") or next(iter(names_of(name, chinese=True)), "")
