"""Texts as people write them: slips of the fingers, and words around a wish that ask for nothing.

A model that saw only clean queries loses much by one typo (benchmarks/robustness.py).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import torch

from samebut.learning.recipe import Augment

HAN = re.compile(r"[\u3400-\u9fff]")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MISTAKES: tuple[Callable[[str, int, random.Random], str], ...] = (
    lambda word, at, _: word[:at] + word[at + 1 :],  # a letter is left out
    lambda word, at, _: word[:at] + word[at] + word[at:],  # or struck twice
    lambda word, at, _: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],  # two swapped
    lambda word, at, dice: word[:at] + dice.choice(LETTERS) + word[at + 1 :],  # another key
)


def mistyped(text: str, dice: random.Random) -> str:
    """``text`` with a slip of the fingers in one of its words, or a space left out.

    Only words of Latin letters, three at least: one sign less, and a Chinese phrase says another
    thing. A text without such a word stays as it is.
    """
    parts = text.split(" ")
    places = [n for n, word in enumerate(parts) if len(word) > 2 and word.isascii()]
    if not places:
        return text
    place = dice.choice(places)
    if place and dice.random() < 0.1:
        return " ".join([*parts[: place - 1], parts[place - 1] + parts[place], *parts[place + 1 :]])
    mistake = dice.choice(MISTAKES)
    parts[place] = mistake(parts[place], dice.randrange(1, len(parts[place])), dice)
    return " ".join(parts)


# What people write around a wish; it asks for nothing.
CHATTER = (
    "hello, {}", "hi, {}, please", "{}, please", "{}, thank you", "{} thanks!", "hey there, {}",
    "I really like this one, {}", "I love it, but {}, if possible", "nice, {}", "ok, now {}",
    "could you please find it for me: {}", "I want something like this, {}, for a friend",
    "my wife would like this, {}", "is there one like it? {}", "hmm, maybe {}", "{}, got that?",
    "good morning, I saw this picture and want it {}, thank you so much", "so {}, that's all",
    "sorry to bother you, any chance of one {}?", "dear shop, do you sell this {}? regards",
    "well, {} if that can be done", "almost right! now {} and we are there", "{} I think",
    "let me see {} then", "yes but {} :)", "I was wondering about this {}, much obliged",
)  # fmt: skip
CHATTER_ZH = (
    "你好，{}", "请问，{}，谢谢", "{}，谢谢", "麻烦{}", "我很喜欢这款，{}", "嗯，{}吧",
    "{}，有吗？", "帮我找一下：{}", "这个不错，不过{}", "老板，{}", "想送朋友，{}，可以吗",
)  # fmt: skip


def chatty(text: str, dice: random.Random) -> str:
    """``text`` with words around it that ask for nothing, in its own language."""
    return dice.choice(CHATTER_ZH if HAN.search(text) else CHATTER).format(text)


CONSONANTS, VOWELS = "bcdfghjklmnprstvwxz", "aeiou"


def unheard(dice: random.Random) -> str:
    """A word that nobody knows, as a brand or a name may be: two to four syllables."""
    syllables = (
        dice.choice(CONSONANTS) + dice.choice(VOWELS) + dice.choice(("", dice.choice(CONSONANTS)))
        for _ in range(dice.randint(2, 4))
    )
    return "".join(syllables)


def with_nonsense(text: str, dice: random.Random) -> str:
    """``text`` with such a word before, after or between its own."""
    parts = text.split(" ")
    parts.insert(dice.randint(0, len(parts)), unheard(dice))
    return " ".join(parts)


def written(texts: Sequence[str], augment: Augment) -> list[str]:
    """Some of the texts mistyped, some with words around or between them, as often as ``augment``
    says."""
    if not (augment.typos or augment.chatter or augment.nonsense):
        return list(texts)
    dice = random.Random(int(torch.randint(2**31, ())))  # follows torch's seed, as views do
    said = []
    for text in texts:
        if dice.random() < augment.chatter:
            text = chatty(text, dice)
        # Asked only where wanted: elsewhere chance goes on as it did before there was nonsense.
        if augment.nonsense and dice.random() < augment.nonsense:
            text = with_nonsense(text, dice)
        said.append(mistyped(text, dice) if dice.random() < augment.typos else text)
    return said
