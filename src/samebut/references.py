"""Several pictures in one wish: "the shape of the first in the colour of the second".

One picture is the thing; what the words take from the others is looked at and said in words: "in
blue". Both vectors can't be had at once: of 600 such wishes the mean of two pictures answers 5.3 %
with a right first hit, words for what the second shows 43.2 % (``benchmarks/references.py``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from samebut.language.lending import Loan, loans, with_words
from samebut.language.wishes import Look
from samebut.looks import in_words
from samebut.turns import Turn

_HAN = re.compile("[\u3400-\u9fff]")


@dataclass(frozen=True, slots=True)
class SeenLook:
    """A value, and what it is called by language."""

    value: str
    called: Mapping[str, str]


Seeing = Callable[[Turn, Look], SeenLook]
"""What the picture of a turn shows."""


@dataclass(frozen=True, slots=True)
class Lent:
    """What was read in a sentence: ``text`` means the ``look`` of picture number ``picture``, from
    0, which is ``value``; ``say`` stands for it in the query."""

    text: str
    picture: int
    look: Look
    value: str
    say: str


def resolved(turns: Sequence[Turn], see: Seeing) -> tuple[list[Turn], tuple[Lent, ...]]:
    """The turns as those of them that speak of several pictures mean them: about one picture, which
    the latest of them decides, with words for what the others lend; as they are, if none does."""
    shown = [place for place, turn in enumerate(turns) if turn.picture is not None]
    found = {place: loans(turn.text, len(shown)) for place, turn in enumerate(turns)}
    found = {place: each for place, each in found.items() if each}
    if len(shown) < 2 or not found:
        return [*turns], ()
    base = _base(found[max(found)], len(shown))
    lent = {
        (place, loan): _lent(loan, see(turns[shown[loan.picture]], loan.look), turns[place].text)
        for place, each in found.items()
        for loan in each
        if loan.look is not None and loan.picture not in (base, _base(each, len(shown)))
    }
    if not lent:
        return [*turns], ()
    words = [turn.text for turn in turns]
    for place, each in found.items():
        said = [lent[place, loan].say if (place, loan) in lent else "" for loan in each]
        words[place] = with_words(words[place], each, said)
    gone = {shown[loan.picture] for each in found.values() for loan in each} - {shown[base]}
    return _about_one(turns, words, gone, shown[base]), tuple(lent.values())


def _about_one(
    turns: Sequence[Turn], words: Sequence[str], gone: Collection[int], base: int
) -> list[Turn]:
    """The turns with these words, without the pictures that are ``gone``. What was said of those
    before the ``base`` is said of it."""
    before = [text for place, text in enumerate(words[:base]) if place in gone]
    left = []
    for place, (turn, text) in enumerate(zip(turns, words, strict=True)):
        if place in gone:
            turn, text = Turn(), "" if place < base else text
        if place == base:
            text = ", ".join(filter(None, (each.strip() for each in (*before, text))))
        if turn.picture is not None or text.strip():
            left.append(replace(turn, text=text))
    return left


def _base(found: Sequence[Loan], pictures: int) -> int:
    """The picture that is the thing: whose shape is named, or all of it, or none of it."""
    whole = [loan.picture for loan in found if loan.look in (None, "article")]
    named = {loan.picture for loan in found}
    others = [number for number in range(pictures) if number not in named]
    return [*whole, *others, 0][0]


def _lent(loan: Loan, seen: SeenLook, sentence: str) -> Lent:
    assert loan.look is not None
    said = in_words(loan.look, seen.called)["zh" if _HAN.search(sentence) else "en"]
    return Lent(loan.text, loan.picture, loan.look, seen.value, said)
