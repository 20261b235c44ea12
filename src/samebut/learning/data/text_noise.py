"""Text noise: typing errors, filler phrases and made-up words, as in texts that people type.

A model trained on clean queries alone loses much recall by one typo (benchmarks/robustness.py).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import torch

from samebut.learning.data.augment import Augment

HAN = re.compile(r"[\u3400-\u9fff]")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
MISTAKES: tuple[Callable[[str, int, random.Random], str], ...] = (
    lambda word, at, _: word[:at] + word[at + 1 :],  # a letter left out
    lambda word, at, _: word[:at] + word[at] + word[at:],  # a letter doubled
    lambda word, at, _: word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],  # two swapped
    lambda word, at, rng: word[:at] + rng.choice(LETTERS) + word[at + 1 :],  # one replaced
)


def mistyped(text: str, rng: random.Random) -> str:
    """``text`` with a typing error in one of its words, or a space left out.

    Only words of three or more Latin letters: a Chinese phrase with one character less means
    something else. A text without such a word stays as it is.
    """
    parts = text.split(" ")
    places = [n for n, word in enumerate(parts) if len(word) > 2 and word.isascii()]
    if not places:
        return text
    place = rng.choice(places)
    if place and rng.random() < 0.1:
        return " ".join([*parts[: place - 1], parts[place - 1] + parts[place], *parts[place + 1 :]])
    mistake = rng.choice(MISTAKES)
    parts[place] = mistake(parts[place], rng.randrange(1, len(parts[place])), rng)
    return " ".join(parts)


# Phrases that people write around a request; they change nothing about what is asked for.
FILLER = (
    "hello, {}", "hi, {}, please", "{}, please", "{}, thank you", "{} thanks!", "hey there, {}",
    "I really like this one, {}", "I love it, but {}, if possible", "nice, {}", "ok, now {}",
    "could you please find it for me: {}", "I want something like this, {}, for a friend",
    "my wife would like this, {}", "is there one like it? {}", "hmm, maybe {}", "{}, got that?",
    "good morning, I saw this picture and want it {}, thank you so much", "so {}, that's all",
    "sorry to bother you, any chance of one {}?", "dear shop, do you sell this {}? regards",
    "well, {} if that can be done", "almost right! now {} and we are there", "{} I think",
    "let me see {} then", "yes but {} :)", "I was wondering about this {}, much obliged",
)  # fmt: skip
FILLER_ZH = (
    "你好，{}", "请问，{}，谢谢", "{}，谢谢", "麻烦{}", "我很喜欢这款，{}", "嗯，{}吧",
    "{}，有吗？", "帮我找一下：{}", "这个不错，不过{}", "老板，{}", "想送朋友，{}，可以吗",
)  # fmt: skip


def with_filler(text: str, rng: random.Random) -> str:
    """``text`` within a filler phrase of its own language."""
    return rng.choice(FILLER_ZH if HAN.search(text) else FILLER).format(text)


CONSONANTS, VOWELS = "bcdfghjklmnprstvwxz", "aeiou"


def made_up_word(rng: random.Random) -> str:
    """A word of two to four syllables that means nothing, as a brand's name may be."""
    syllables = (
        rng.choice(CONSONANTS) + rng.choice(VOWELS) + rng.choice(("", rng.choice(CONSONANTS)))
        for _ in range(rng.randint(2, 4))
    )
    return "".join(syllables)


def with_made_up_word(text: str, rng: random.Random) -> str:
    """``text`` with such a word before, after or between its own."""
    parts = text.split(" ")
    parts.insert(rng.randint(0, len(parts)), made_up_word(rng))
    return " ".join(parts)


def noisy(texts: Sequence[str], augment: Augment) -> list[str]:
    """The texts with the noise that ``augment`` asks for. Random numbers follow torch's seed."""
    if not (augment.typos or augment.filler or augment.made_up):
        return list(texts)
    rng = random.Random(int(torch.randint(2**31, ())))
    written = []
    for text in texts:
        if rng.random() < augment.filler:
            text = with_filler(text, rng)
        if rng.random() < augment.made_up:
            text = with_made_up_word(text, rng)
        written.append(mistyped(text, rng) if rng.random() < augment.typos else text)
    return written
