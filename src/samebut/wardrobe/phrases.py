"""Items and changes in words: titles, and relative captions as people write them."""

from __future__ import annotations

import random
from collections.abc import Callable

from samebut.language.lexicon import indefinite
from samebut.language.templates import fill
from samebut.wardrobe import words
from samebut.wardrobe.attributes import ALLOWED, Item, differing
from samebut.wardrobe.words import Wording

_NECKLINES = {
    "round": "round neck",
    "V": "V-neck",
    "square": "square neck",
    "high": "high neck",
}
_COLLARS = {
    "pointed": "pointed collar",
    "band": "band collar",
    "round": "round collar",
    "lapel": "lapels",
}
_ORDERED = {"sleeve", "length"}  # values run from less to more for every kind
_ORDERED_SHAPES = {"trousers", "shorts"}


def neck_of(item: Item) -> str:
    """The value of the aspect "neck": a neckline, a collar, a hood, "no collar", or "" where none
    applies."""
    if item.hood == "yes":
        return "hood"
    if item.collar in _COLLARS:
        return _COLLARS[item.collar]
    if item.neckline:
        return _NECKLINES[item.neckline]
    return "no collar" if item.collar else ""


def title(item: Item, language: str = "en") -> str:
    """A title for ``item`` as in a shop, in "en" or "zh". Different items have different titles."""
    return _chinese_title(item) if language == "zh" else _english_title(item)


def _details(item: Item, language: int) -> list[str]:
    neck = words.THINGS.get(neck_of(item))
    closure = words.THINGS.get(item.closure)
    return [
        words.TITLE_SLEEVES[item.sleeve][language] if item.sleeve else "",
        neck[language] if neck else "",
        closure[language] if closure else "",
        ("pockets", "口袋")[language] if item.pockets == "yes" else "",
        ("a belt", "腰带")[language] if item.belt == "yes" else "",
    ]


def _noun(item: Item) -> tuple[str, str]:
    return words.NOUNS.get((item.kind, item.shape), (item.kind, words.KIND_ZH[item.kind]))


def _length(item: Item) -> tuple[str, str]:
    table = words.TITLE_LENGTHS
    return table.get((item.length, item.kind)) or table.get((item.length,)) or ("", "")


def _english_title(item: Item) -> str:
    colours = item.colour
    if item.second_colour:
        colours += f" and {item.second_colour}"
    pattern = words.PATTERN_ADJECTIVE[item.pattern]
    front = [_length(item)[0], colours, pattern, _noun(item)[0]]
    told = [detail for detail in _details(item, 0) if detail]
    if item.motif:
        told.append(f"a {item.motif} print")
    ending = f" with {_listed(told)}" if told else ""
    return " ".join(word for word in front if word) + ending


def _chinese_title(item: Item) -> str:
    colours = words.COLOUR_ZH[item.colour]
    if item.second_colour:
        colours += f"配{words.COLOUR_ZH[item.second_colour]}"
    pattern = "" if item.pattern in ("plain", "printed") else words.PATTERN_ZH[item.pattern]
    told = [detail for detail in _details(item, 1) if detail]
    if item.motif:
        told.append(f"{words.MOTIF_ZH[item.motif]}印花")
    ending = f"，{'、'.join(told)}" if told else ""
    return f"{colours}{pattern}{_length(item)[1]}{_noun(item)[1]}{ending}"


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def caption(rng: random.Random, before: Item, after: Item, language: str) -> str:
    """A sentence, "en" or "zh", that asks for ``after`` when ``before`` is shown.

    It names every aspect in which the two differ and no other. If the kind changes, it asks for
    the same cloth and leaves all else open.
    """
    asked = ways(before, after)
    if before.kind != after.kind:
        return _kind_caption(rng, asked[0], language)
    rng.shuffle(asked)
    if language == "zh":
        return _chinese(rng, [rng.choice(way.chinese) for way in asked])
    return _english(rng, asked)


def _kind_caption(rng: random.Random, way: Wording, language: str) -> str:
    if language == "zh":
        return rng.choice(way.chinese)
    return _sentence(rng, rng.choice(way.fragments + way.orders))


def ways(before: Item, after: Item) -> list[Wording]:
    """For each aspect that changes, the ways to ask for it, words filled in."""
    if before.kind != after.kind:
        return [_kind(before, after)]
    return [
        _ASKERS.get(aspect, _value)(aspect, before, after) for aspect in differing(before, after)
    ]


def _english(rng: random.Random, asked: list[Wording]) -> str:
    if rng.random() < 0.55:
        frame = rng.choice(words.FRAMES["fragments"])
        parts = [rng.choice(way.fragments) for way in asked]
        text = fill(frame, {"1": _joined(rng, parts, frame)})
    elif len(asked) == 1:
        frame = rng.choice(words.FRAMES["orders"])
        text = fill(frame, {"1": rng.choice(asked[0].orders)})
    else:
        steps = [rng.choice(way.orders) for way in asked]
        text = fill(rng.choice(words.TWO_STEPS), {"1": ", ".join(steps[:-1]), "2": steps[-1]})
    return _sentence(rng, text)


def _sentence(rng: random.Random, text: str) -> str:
    """Add a capital and a full stop to one text in five, as some people write them."""
    return f"{text[0].upper()}{text[1:]}." if rng.random() < 0.2 else text


def _joined(rng: random.Random, parts: list[str], frame: str) -> str:
    if len(parts) == 1:
        return parts[0]
    glue = rng.choice((" and ", ", ", " and ", " plus ", " and " if "but" in frame else ", but "))
    return ", ".join(parts[:-1]) + glue + parts[-1]


def _chinese(rng: random.Random, clauses: list[str]) -> str:
    if len(clauses) > 1 and rng.random() < 0.5:
        steps = {"1": "，".join(clauses[:-1]), "2": clauses[-1]}
        return fill(rng.choice(words.TWO_STEPS_ZH), steps)
    return fill(rng.choice(words.FRAMES["chinese"]), {"1": "，".join(clauses)})


def _filled(wording: Wording, english: dict[str, str], chinese: dict[str, str]) -> Wording:
    return Wording(
        tuple(fill(text, english) for text in wording.fragments),
        tuple(fill(text, english) for text in wording.orders),
        tuple(fill(text, chinese) for text in wording.chinese),
    )


def _kind(before: Item, after: Item) -> Wording:
    return _filled(
        words.KIND_CHANGE,
        {"new": after.kind, "old": before.kind},
        {"new": words.KIND_ZH[after.kind], "old": words.KIND_ZH[before.kind]},
    )


def _colour(aspect: str, before: Item, after: Item) -> Wording:
    two = before.second_colour or after.second_colour
    return _filled(
        words.COLOUR_OF_TWO if two else words.COLOUR_OF_PLAIN,
        {"new": after.colour, "old": before.colour},
        {"new": words.COLOUR_ZH[after.colour], "old": words.COLOUR_ZH[before.colour]},
    )


def _looked_up(
    table: dict[tuple[str, ...], Wording], aspect: str, value: str, kind: str
) -> Wording:
    nothing = Wording((), (), ())
    return table.get((aspect, value, kind)) or table.get((aspect, value)) or nothing


def _value(aspect: str, before: Item, after: Item) -> Wording:
    """Ways to ask for an aspect of one attribute, or the neck: by its new value, by a comparative,
    by a style word, or as one thing instead of another."""
    was, now = (neck_of(i) if aspect == "neck" else getattr(i, aspect) for i in (before, after))
    kind = after.kind
    found = _looked_up(words.WORDINGS, aspect, now, kind)
    found += _looked_up(words.WORDINGS, aspect, _direction(aspect, kind, was, now), kind)
    found += _looked_up(words.STYLES, aspect, now, kind)
    old, new = words.THINGS.get(was), words.THINGS.get(now)
    if old and new:
        english, chinese = ({"old": old[i], "new": new[i]} for i in (0, 1))
        found += _filled(words.THING_SWAP, english, chinese)
    was_zh = old[1] if old else was
    return _filled(found, {"old": was, "new": now}, {"old": was_zh, "new": now})


def _direction(aspect: str, kind: str, was: str, now: str) -> str:
    """ "_more" or "_less" if ``now`` is the only value on its side of ``was``, else ""."""
    if aspect not in _ORDERED and not (aspect == "shape" and kind in _ORDERED_SHAPES):
        return ""
    values = ALLOWED[kind][aspect]
    here = values.index(was)
    if values[here + 1 :] == (now,):
        return "_more"
    return "_less" if values[:here] == (now,) else ""


def _nouns(item: Item) -> tuple[str, str]:
    """The pattern as a noun, English and Chinese."""
    if item.motif:
        return item.motif, words.MOTIF_ZH[item.motif]
    return words.PATTERN_SHORT[item.pattern], words.PATTERN_SHORT_ZH[item.pattern]


def _full_nouns(item: Item) -> tuple[str, str]:
    """The pattern as a noun with its direction, English and Chinese."""
    if item.motif:
        return item.motif, words.MOTIF_ZH[item.motif]
    return words.PATTERN_NOUN[item.pattern], words.PATTERN_ZH[item.pattern]


def _pattern(aspect: str, before: Item, after: Item) -> Wording:
    if not before.second_colour:
        return _pattern_on(after)
    if not after.second_colour:
        return _pattern_off(before, after)
    return _pattern_swap(before, after)


def _pattern_on(after: Item) -> Wording:
    english, chinese = _full_nouns(after)
    return _filled(
        words.PATTERN_ON.get(after.pattern, words.PATTERN_ON["any"]),
        {"c": after.second_colour, "p": english},
        {"c": words.COLOUR_ZH[after.second_colour], "p": chinese},
    )


def _pattern_off(before: Item, after: Item) -> Wording:
    english, chinese = _nouns(before)
    off = words.PATTERN_OFF.get(before.pattern, words.PATTERN_OFF["any"])
    found = off + words.PLAINER + _looked_up(words.STYLES, "pattern", "plain", "")
    return _filled(
        found,
        {"p": english, "c": before.second_colour, "colour": after.colour},
        {
            "p": chinese,
            "c": words.COLOUR_ZH[before.second_colour],
            "colour": words.COLOUR_ZH[after.colour],
        },
    )


def _pattern_swap(before: Item, after: Item) -> Wording:
    same_pattern = before.pattern == after.pattern and before.motif == after.motif
    same_colour = before.second_colour == after.second_colour
    if same_pattern:
        return _second_swap(before, after)
    short = not (before.pattern.startswith("striped") and after.pattern.startswith("striped"))
    old, new = _article_nouns(before, short=short), _article_nouns(after, short=False)
    if same_colour:
        found = words.PATTERN_SWAP
        if before.colour == after.colour and "plain" not in (before.pattern, after.pattern):
            found += _looked_up(words.STYLES, "pattern", after.pattern, "")
    else:
        found = words.PATTERN_AND_SECOND_SWAP
        new = _article_nouns(after, short=False, coloured=True)
    bare = _nouns(before) if short else _full_nouns(before)
    return _filled(
        found,
        {"p": old[0], "n": bare[0], "q": new[0]},
        {"p": old[1], "n": bare[1], "q": new[1]},
    )


def _second_swap(before: Item, after: Item) -> Wording:
    english, chinese = _nouns(before)
    return _filled(
        words.SECOND_SWAP.get(before.pattern, words.SECOND_SWAP["any"]),
        {"p": english, "c": before.second_colour, "d": after.second_colour},
        {
            "p": chinese,
            "c": words.COLOUR_ZH[before.second_colour],
            "d": words.COLOUR_ZH[after.second_colour],
        },
    )


def _article_nouns(item: Item, *, short: bool, coloured: bool = False) -> tuple[str, str]:
    """The pattern with its colour and, where English needs one, an article: "a red star", "white
    dots"."""
    english, chinese = _nouns(item) if short else _full_nouns(item)
    if item.pattern == "gradient":
        fade = f"a fade to {item.second_colour}" if coloured or not short else "a fade"
        zh = f"到{words.COLOUR_ZH[item.second_colour]}的渐变" if coloured else "渐变"
        return fade, zh
    if coloured:
        english = f"{item.second_colour} {english}"
        chinese = f"{words.COLOUR_ZH[item.second_colour]}{chinese}"
    return (indefinite(english) if item.motif else english), chinese


_ASKERS: dict[str, Callable[[str, Item, Item], Wording]] = {
    "colour": _colour,
    "pattern": _pattern,
}
