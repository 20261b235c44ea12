"""Captions of catalogue pictures, in English and Chinese, for aligning pictures with words.

A row of a catalogue gives its title, or a phrase made from its attributes. Which attributes are
said is drawn anew each time, so the text tower learns each of them alone and together.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping

from samebut.data.lexicon import ARTICLES_ZH, COLOURS_ZH, GENDERS_ZH, PATTERNS_ZH

Row = Mapping[str, str]

SAID = 0.8  # how often an attribute that is known is said
CHINESE = 0.3  # how often a caption is Chinese; queries are Chinese a sixth of the time
TITLE = 0.4  # how often an English caption is the title


def english(row: Row, dice: random.Random) -> str:
    """A phrase such as "striped blue shirt for men" from what the row knows."""
    said = _said(row, dice)
    looks = [said["pattern"], said["colour"]]
    dice.shuffle(looks)
    phrase = [*looks, said["article"]]
    if said["gender"]:
        phrase = (
            [*phrase, "for", said["gender"]] if dice.random() < 0.5 else [said["gender"], *phrase]
        )
    return " ".join(word for word in phrase if word)


def chinese(row: Row, dice: random.Random) -> str:
    """A phrase such as 男款蓝色条纹衬衫 from what the row knows."""
    said = _said(row, dice)
    parts = (
        GENDERS_ZH.get(said["gender"], ""),
        COLOURS_ZH.get(said["colour"], ""),
        PATTERNS_ZH.get(said["pattern"], ""),
        ARTICLES_ZH.get(said["article"], ""),
    )
    return ("的" if dice.random() < 0.2 else "").join(part for part in parts if part)


def caption(row: Row, dice: random.Random) -> str:
    """A caption of the row, drawn from its title and both languages."""
    if dice.random() < CHINESE:
        return row.get("title_zh") or chinese(row, dice) or title(row)
    if dice.random() < TITLE:
        return title(row)
    return english(row, dice) or title(row)


def title(row: Row) -> str:
    """The row's title, or what is on the picture where a catalogue has no titles."""
    return row.get("title") or article(row)


def article(row: Row) -> str:
    """What is on the picture, however the catalogue calls the column."""
    return row.get("article") or row.get("kind") or row.get("label", "").lower()


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
)  # fmt: skip
CHATTER_ZH = (
    "你好，{}", "请问，{}，谢谢", "{}，谢谢", "麻烦{}", "我很喜欢这款，{}", "嗯，{}吧",
    "{}，有吗？", "帮我找一下：{}", "这个不错，不过{}", "老板，{}", "想送朋友，{}，可以吗",
)  # fmt: skip


def chatty(text: str, dice: random.Random) -> str:
    """``text`` with words around it that ask for nothing, in its own language."""
    return dice.choice(CHATTER if text.isascii() else CHATTER_ZH).format(text)


def words(rows: Iterable[Row]) -> Iterator[str]:
    """Every title and every word of both languages, to train a tokenizer on."""
    for row in rows:
        yield title(row)
        yield row.get("title_zh", "")
    for lexicon in (COLOURS_ZH, ARTICLES_ZH, PATTERNS_ZH, GENDERS_ZH):
        for source, translation in lexicon.items():
            yield source
            yield translation


def _said(row: Row, dice: random.Random) -> dict[str, str]:
    """The attributes to mention: each known one most of the time, the article nearly always."""
    known = {
        "pattern": row.get("pattern", "").replace("plain", ""),
        "colour": row.get("colour", ""),
        "article": article(row),
        "gender": row.get("gender", ""),
    }
    chances = {"pattern": SAID, "colour": SAID, "article": 0.95, "gender": SAID / 2}
    return {name: known[name] if dice.random() < chances[name] else "" for name in known}
