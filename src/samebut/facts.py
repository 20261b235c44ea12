"""Filters in the words of a conversation: words that name values of the table become filters.

`samebut.index.mentions` reads single sentences. This module combines those of a conversation: a
later wish replaces an earlier one about the same ("Nike", then "Adidas"), two in one sentence are
alternatives ("Nike or Adidas"), and a filter that together with the newer ones would let nothing
through is not applied. Each is reported: a `Fact` says what was read, what it means, and whether it
is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from samebut.index.mentions import Mention, mentions_in
from samebut.index.vocabulary import Vocabulary
from samebut.index.where import And, Filter, Or
from samebut.turns import Turn
from samebut.values import fold

Outcome = Literal["applied", "nothing", "replaced"]

_LOOSE = re.compile(
    r"^(?:[\s,;.:，、；。：的]|(?:or|and|but|nor|和|或)(?![a-z]))+"
    r"|(?:[\s,;:，、；：]|(?<![a-z])(?:or|and|but|by|with|和|或))+$",
    re.IGNORECASE,
)

_JOINS = re.compile(r"\s*(?:or|and|nor|&|/|,|，|、|或|或者|和)?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fact:
    """A filter read in the words of turn number ``turn``, from 0: ``text`` is how they say it,
    ``where`` the filter. ``outcome``: "applied"; "nothing", for it would have let nothing through;
    "replaced" by a later turn."""

    text: str
    where: str
    turn: int
    outcome: Outcome = "applied"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was read: the ``facts``, the filter ``where`` of those that are applied and of the one
    that was asked for, and the ``turns`` without the words that say nothing about looks."""

    facts: tuple[Fact, ...]
    where: Filter | None
    turns: list[Turn]


@dataclass(slots=True)
class _Wish:
    """Mentions of one turn that are alternatives, or a single one."""

    turn: int
    mentions: list[Mention]
    outcome: Outcome = "applied"

    @property
    def where(self) -> Filter:
        found = tuple(dict.fromkeys(mention.where for mention in self.mentions))
        return found[0] if len(found) == 1 else Or(found)


def read_facts(
    turns: Sequence[Turn],
    vocabulary: Vocabulary,
    count: Callable[[Filter], int],
    *,
    where: Filter | None = None,
    ignore: Collection[str] = (),
) -> Facts:
    """The facts in the words of ``turns``, oldest first, beside the filter ``where``.

    ``count`` says how many pictures a filter lets through. What is written as one of ``ignore`` is
    no fact, and stays with the words.
    """
    ignored = set(map(fold, ignore))
    said = [
        [m for m in mentions_in(turn.text, vocabulary) if fold(m.text) not in ignored]
        for turn in turns
    ]
    wishes = [wish for i, mentions in enumerate(said) for wish in _wishes(i, mentions)]
    _replace(wishes)
    whole = _apply(wishes, where, count)
    facts = tuple(
        Fact(mention.text, str(mention.where), wish.turn, wish.outcome)
        for wish in wishes
        for mention in wish.mentions
    )
    return Facts(facts, whole, _without(turns, said))


def _wishes(turn: int, mentions: Sequence[Mention]) -> list[_Wish]:
    wishes: list[_Wish] = []
    for mention in mentions:
        same = next(
            (w for w in wishes if mention.is_choice and w.mentions[0].about == mention.about), None
        )
        if same is None or not same.mentions[0].is_choice:
            wishes.append(_Wish(turn, [mention]))
        elif all(mention.where != each.where for each in same.mentions):
            same.mentions.append(mention)
    return wishes


def _replace(wishes: Sequence[_Wish]) -> None:
    """Mark earlier wishes about the same as replaced."""
    for wish in wishes:
        about = set(wish.mentions[0].about)
        if any(later.turn > wish.turn and about & set(later.mentions[0].about) for later in wishes):
            wish.outcome = "replaced"


def _apply(
    wishes: Sequence[_Wish], where: Filter | None, count: Callable[[Filter], int]
) -> Filter | None:
    """The filter of all wishes that some picture fulfils together, adding the newest first."""
    held = [where] if where is not None else []
    valid = [wish for wish in reversed(wishes) if wish.outcome == "applied"]
    if not valid:
        return where
    if count(_all([*held, *(wish.where for wish in valid)])):
        held += [wish.where for wish in valid]
        return _all(held)
    for wish in valid:
        if count(_all([*held, wish.where])):
            held.append(wish.where)
        else:
            wish.outcome = "nothing"
    return _all(held) if held else None


def _all(filters: Sequence[Filter]) -> Filter:
    return filters[0] if len(filters) == 1 else And(tuple(filters))


def _without(turns: Sequence[Turn], said: Sequence[Sequence[Mention]]) -> list[Turn]:
    """The turns without words that say nothing about looks; unchanged if nothing would be left."""
    left = [
        replace(turn, text=_cut(turn.text, [m.taken for m in mentions if m.taken]))
        for turn, mentions in zip(turns, said, strict=True)
    ]
    asks = any(turn.picture is not None or turn.says_something for turn in left)
    return left if asks else list(turns)


def _cut(text: str, places: Sequence[tuple[int, int]]) -> str:
    if not places:
        return text
    kept = ""
    reached = 0
    for start, end in sorted(places):
        between = text[reached : max(start, reached)]
        kept += " " if reached and _JOINS.fullmatch(between) else f"{between} "
        reached = max(end, reached)
    kept += text[reached:]
    parted = re.sub(r"\s+(?=[,;.，。；])", "", " ".join(kept.split()))
    return _LOOSE.sub("", parted)
