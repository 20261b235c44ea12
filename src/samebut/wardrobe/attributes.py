"""The attributes of an item of clothing, with the values that each kind allows."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from operator import attrgetter

from samebut.language.palette import DRAWN
from samebut.wardrobe.fabric import contrasts

COLOURS = DRAWN
NEUTRALS = ("white", "beige", "grey", "black", "navy")  # go with anything
PATTERNS = (
    "plain",
    "striped across",
    "striped down",
    "checked",
    "dotted",
    "floral",
    "printed",
    "gradient",
)
MOTIFS = ("star", "heart", "sun", "moon", "leaf", "fish")

# What a kind can vary besides its colours, pattern and motif. An attribute that is not named does
# not apply to the kind and is "" in its items.
ALLOWED: dict[str, dict[str, tuple[str, ...]]] = {
    "dress": {
        "shape": ("straight", "flared"),
        "sleeve": ("sleeveless", "short", "long"),
        "neckline": ("round", "V", "square"),
        "collar": ("none", "pointed", "round"),
        "length": ("short", "knee-length", "long"),
        "closure": ("none", "buttons"),
        "pockets": ("no", "yes"),
        "belt": ("no", "yes"),
    },
    "shirt": {
        "sleeve": ("short", "long"),
        "collar": ("pointed", "band", "round"),
        "pockets": ("no", "yes"),
        "closure": ("buttons",),
    },
    "T-shirt": {
        "sleeve": ("sleeveless", "short", "long"),
        "neckline": ("round", "V"),
        "collar": ("none", "pointed"),
        "length": ("short", "regular"),
        "pockets": ("no", "yes"),
    },
    "sweater": {
        "sleeve": ("sleeveless", "long"),
        "neckline": ("round", "V", "high"),
        "hood": ("no", "yes"),
        "closure": ("none", "buttons", "zip"),
        "pockets": ("no", "yes"),
    },
    "coat": {
        "collar": ("none", "lapel", "pointed"),
        "hood": ("no", "yes"),
        "length": ("short", "knee-length", "long"),
        "closure": ("buttons", "zip"),
        "pockets": ("no", "yes"),
        "belt": ("no", "yes"),
    },
    "skirt": {
        "shape": ("straight", "flared", "pleated"),
        "length": ("short", "knee-length", "long"),
        "closure": ("none", "buttons"),
        "pockets": ("no", "yes"),
        "belt": ("no", "yes"),
    },
    "trousers": {
        "shape": ("slim", "straight", "wide"),
        "length": ("cropped", "long"),
        "pockets": ("no", "yes"),
        "belt": ("no", "yes"),
    },
    "shorts": {
        "shape": ("slim", "wide"),
        "length": ("short", "knee-length"),
        "pockets": ("no", "yes"),
        "belt": ("no", "yes"),
    },
    "shoe": {
        "shape": ("sneaker", "loafer", "pump"),
    },
    "boot": {
        "length": ("ankle", "knee-length"),
        "shape": ("flat", "heeled"),
        "closure": ("none", "laces", "zip"),
    },
    "bag": {
        "shape": ("tote", "satchel", "backpack"),
        "pockets": ("no", "yes"),
    },
    "hat": {
        "shape": ("cap", "brimmed", "bucket", "beanie"),
    },
    "scarf": {
        "length": ("short", "long"),
        "shape": ("folded", "knotted"),
    },
    "watch": {
        "shape": ("round", "square"),
    },
}
KINDS = tuple(ALLOWED)

# Kinds whose surface is too small or too hard for some patterns.
PATTERNS_OF: dict[str, tuple[str, ...]] = {
    "shoe": ("plain", "striped across", "striped down", "checked", "dotted", "floral", "gradient"),
    "boot": ("plain", "checked", "dotted", "floral", "gradient"),
    "watch": ("plain", "striped across", "striped down", "dotted"),
}


@dataclass(frozen=True, slots=True)
class Item:
    """One thing to wear. Every value is a word of this module, or "" where it does not apply.

    ``second_colour`` is the colour of the pattern, or on a plain item that of its trim (collar,
    cuffs, sole, strap); a plain item without one has a single colour.
    """

    kind: str
    colour: str
    second_colour: str = ""
    pattern: str = "plain"
    motif: str = ""
    shape: str = ""
    sleeve: str = ""
    neckline: str = ""
    collar: str = ""
    hood: str = ""
    length: str = ""
    closure: str = ""
    pockets: str = ""
    belt: str = ""

    def as_dict(self) -> dict[str, str]:
        """Attribute name to value, in the order of the fields."""
        return asdict(self)


ATTRIBUTES = tuple(field.name for field in fields(Item))

# An aspect is a group of attributes that change together: a pattern with its colour and motif;
# neckline, collar and hood, because an item has one of them.
ASPECTS: dict[str, tuple[str, ...]] = {
    "kind": ("kind",),
    "colour": ("colour",),
    "pattern": ("pattern", "second_colour", "motif"),
    "shape": ("shape",),
    "sleeve": ("sleeve",),
    "neck": ("neckline", "collar", "hood"),
    "length": ("length",),
    "closure": ("closure",),
    "pockets": ("pockets",),
    "belt": ("belt",),
}

# Cached, because planning a benchmark compares millions of items.
_VALUES = {aspect: attrgetter(*names) for aspect, names in ASPECTS.items()}


def aspect_of(item: Item, aspect: str) -> tuple[str, ...]:
    """The values of the attributes that make up ``aspect``."""
    return tuple(getattr(item, name) for name in ASPECTS[aspect])


def differing(first: Item, second: Item) -> tuple[str, ...]:
    """The aspects in which two items differ, in the order of ``ASPECTS``."""
    return tuple(a for a, values in _VALUES.items() if values(first) != values(second))


def values_of(kind: str, attribute: str) -> tuple[str, ...]:
    """The values ``attribute`` can take on ``kind``; empty if it does not apply."""
    if attribute == "kind":
        return KINDS
    if attribute == "colour":
        return COLOURS
    if attribute == "second_colour":
        return ("", *COLOURS)
    if attribute == "pattern":
        return PATTERNS_OF.get(kind, PATTERNS)
    if attribute == "motif":
        return ("", *MOTIFS) if "printed" in values_of(kind, "pattern") else ()
    return ALLOWED[kind].get(attribute, ())


def faults(item: Item) -> list[str]:
    """The reasons why ``item`` can't be drawn; empty if it can."""
    return _unknown_values(item) + [complaint for holds, complaint in _RULES if not holds(item)]


def _unknown_values(item: Item) -> list[str]:
    found = []
    for attribute in ATTRIBUTES:
        value = getattr(item, attribute)
        known = values_of(item.kind, attribute) or ("",)
        if value not in known and not (attribute == "neckline" and value == ""):
            found.append(f"{attribute} {value!r} is not for a {item.kind}")
    return found


def _neck_is_covered(item: Item) -> bool:
    return item.hood == "yes" or item.collar not in ("", "none")


# Constraints between the attributes of an item: (whether it holds, what is wrong if not).
_RULES: tuple[tuple[Callable[[Item], bool], str], ...] = (
    (
        lambda item: bool(item.motif) == (item.pattern == "printed"),
        "a motif is for the printed pattern",
    ),
    (
        lambda item: item.pattern == "plain" or bool(item.second_colour),
        "a pattern needs a second colour",
    ),
    (
        lambda item: not item.second_colour or contrasts(item.colour, item.second_colour),
        "the two colours must be told apart",
    ),
    (
        lambda item: item.hood != "yes" or item.collar in ("", "none"),
        "a hood leaves no room for a collar",
    ),
    (
        lambda item: item.hood != "yes" or item.sleeve != "sleeveless",
        "a hood goes with sleeves",
    ),
    (
        lambda item: (
            not values_of(item.kind, "neckline") or _neck_is_covered(item) != bool(item.neckline)
        ),
        "a neckline shows exactly where neither collar nor hood covers it",
    ),
    (
        lambda item: item.neckline != "high" or item.closure != "buttons",
        "a high neck is pulled on or zipped",
    ),
    (
        lambda item: not (item.kind == "T-shirt" and item.pockets == "yes" and item.motif),
        "a T-shirt's print is where its pocket would be",
    ),
)


def random_item(rng: random.Random, kind: str = "") -> Item:
    """A possible item, of ``kind`` or of any kind. One in three is of plain cloth."""
    kind = kind or rng.choice(KINDS)
    while True:
        item = _guess(rng, kind)
        if not faults(item):
            return item


def _guess(rng: random.Random, kind: str) -> Item:
    chosen = {name: rng.choice(values) for name, values in ALLOWED[kind].items()}
    if chosen.get("hood") == "yes" or chosen.get("collar", "none") != "none":
        chosen.pop("neckline", None)
    patterns = values_of(kind, "pattern")
    pattern = "plain" if rng.random() < 0.34 else rng.choice(patterns[1:])
    two = pattern != "plain" or rng.random() < 0.4
    seconds = NEUTRALS if rng.random() < 0.5 else COLOURS
    return Item(
        kind,
        rng.choice(COLOURS),
        rng.choice(seconds) if two else "",
        pattern,
        rng.choice(MOTIFS) if pattern == "printed" else "",
        **chosen,
    )


def variants(item: Item, attribute: str) -> list[Item]:
    """The possible items that differ from ``item`` in exactly ``attribute``."""
    values = values_of(item.kind, attribute)
    current = getattr(item, attribute)
    changed = (replace(item, **{attribute: value}) for value in values if value != current)
    return [other for other in changed if not faults(other)]


def varied(rng: random.Random, item: Item) -> Item:
    """An item that differs from ``item`` in exactly one attribute, or ``item`` where none can."""
    for attribute in rng.sample(ATTRIBUTES[1:], len(ATTRIBUTES) - 1):
        others = variants(item, attribute)
        if others:
            return rng.choice(others)
    return item
