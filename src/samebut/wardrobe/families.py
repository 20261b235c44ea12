"""Families of items for the benchmark: grids in which every item has others that differ slightly.

Items drawn at random hardly ever differ in a single aspect, so a query would have neither a target
nor hard negatives. A family is a grid: a few aspects take two or three values each and all their
combinations exist. The sizes are chosen so that exactly five others differ from each item in one
aspect: with the item itself, a hard subset of six.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from samebut.wardrobe.attributes import (
    ASPECTS,
    COLOURS,
    KINDS,
    MOTIFS,
    Item,
    aspect_of,
    faults,
    random_item,
    values_of,
)

GRIDS = ((3, 2, 2, 2), (3, 3, 2), (2, 2, 2, 2, 2))  # sum of (size - 1) is 5
CLOTH = ("colour", "pattern")  # the aspects that every kind has

# Combinations of kind and colour that are in neither train nor val; half of test is about them.
HELD_OUT: dict[str, tuple[str, ...]] = {
    "dress": ("teal", "orange"),
    "shirt": ("purple", "olive"),
    "T-shirt": ("burgundy", "yellow"),
    "sweater": ("red", "grey"),
    "coat": ("pink", "blue"),
    "skirt": ("brown", "green"),
    "trousers": ("orange", "purple"),
    "shorts": ("burgundy", "beige"),
    "shoe": ("navy", "yellow"),
    "boot": ("teal", "white"),
    "bag": ("green", "grey"),
    "hat": ("brown", "pink"),
    "scarf": ("black", "olive"),
    "watch": ("blue", "red"),
}


def is_held_out(item: Item) -> bool:
    """Whether ``item`` is of a kind and colour that only the test split may show together."""
    return item.colour in HELD_OUT[item.kind]


@dataclass(frozen=True)
class Family:
    """All combinations of ``axes``, each an aspect with its values; otherwise alike."""

    first: Item
    axes: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """Every item of the grid."""
        found = []
        for point in itertools.product(*(values for _, values in self.axes)):
            item = self.first
            for (aspect, _), value in zip(self.axes, point, strict=True):
                item = _set(item, aspect, value)
            found.append(item)
        return tuple(found)

    def values(self, aspect: str) -> tuple[tuple[str, ...], ...]:
        """The values of ``aspect`` on this grid."""
        return dict(self.axes).get(aspect, (aspect_of(self.first, aspect),))


def random_family(rng: random.Random, kind: str, *, held_out: bool = False) -> Family:
    """A family of ``kind`` whose items can all be drawn. None of them is held out or, if
    ``held_out``, at least those of one colour are."""
    while True:
        first = random_item(rng, kind)
        family = _grid(rng, first, _axes(rng, first, rng.choice(GRIDS)), {})
        if family and any(map(is_held_out, family.items)) == held_out:
            return family


def twin(rng: random.Random, family: Family, *, held_out: bool = False) -> Family | None:
    """A family of another kind in the same cloth, so that a change of kind has right answers.

    None if no other kind can have that cloth; each is tried once.
    """
    fixed = {aspect: family.values(aspect) for aspect in CLOTH}
    for kind in rng.sample(KINDS, len(KINDS)):
        if kind == family.first.kind:
            continue
        first = random_item(rng, kind)
        for aspect, values in fixed.items():
            first = _set(first, aspect, values[0])
        if faults(first):
            continue
        rest = _other_aspects(first)
        sizes = [len(values) for values in fixed.values()]
        more = min(len(rest), 5 - sum(size - 1 for size in sizes))
        axes = [*zip(CLOTH, sizes, strict=True), *((a, 2) for a in rng.sample(rest, more))]
        found = _grid(rng, first, axes, fixed)
        if found and (held_out or not any(map(is_held_out, found.items))):
            return found
    return None


def _set(item: Item, aspect: str, value: tuple[str, ...]) -> Item:
    return replace(item, **dict(zip(ASPECTS[aspect], value, strict=True)))


def alternatives(item: Item, aspect: str) -> list[tuple[str, ...]]:
    """The values ``aspect`` can take on ``item`` besides its own."""
    now = aspect_of(item, aspect)
    return [
        value
        for value in _OPTIONS.get(aspect, _plain_options)(item, aspect)
        if value != now and not faults(_set(item, aspect, value))
    ]


Options = Iterator[tuple[str, ...]]


def _plain_options(item: Item, aspect: str) -> Options:
    for value in values_of(item.kind, aspect):
        yield (value,)


def _neck_options(item: Item, aspect: str) -> Options:
    names = ASPECTS[aspect]
    values = [{*values_of(item.kind, name), getattr(item, name)} for name in names]
    if values_of(item.kind, "neckline"):
        values[names.index("neckline")].add("")  # covered by a collar or a hood
    yield from itertools.product(*map(sorted, values))


def _pattern_options(item: Item, aspect: str) -> Options:
    yield "plain", "", ""
    for pattern in values_of(item.kind, "pattern"):
        for second in COLOURS:
            for motif in MOTIFS if pattern == "printed" else ("",):
                yield pattern, second, motif


_OPTIONS: dict[str, Callable[[Item, str], Options]] = {
    "neck": _neck_options,
    "pattern": _pattern_options,
}


def _other_aspects(item: Item) -> list[str]:
    """The aspects of ``item`` besides kind and cloth that have more than one possible value."""
    return [a for a in ASPECTS if a not in ("kind", *CLOTH) and alternatives(item, a)]


Axes = Sequence[tuple[str, int]]


def _axes(rng: random.Random, first: Item, grid: Sequence[int]) -> Axes:
    """Which aspects vary, and over how many values each: colour always, pattern mostly."""
    others = _other_aspects(first)
    rng.shuffle(others)
    names = ["colour", *others]
    if rng.random() < 0.7 or len(names) < len(grid):
        names.insert(1, "pattern")
    return list(zip(names, grid, strict=False))


def _grid(
    rng: random.Random, first: Item, axes: Axes, fixed: dict[str, tuple[tuple[str, ...], ...]]
) -> Family | None:
    """A family on ``axes`` with random values, ``fixed`` ones where given. None if some combination
    can't be drawn, or if an item would not have exactly five others that differ in one aspect."""
    if sum(size - 1 for _, size in axes) != 5:
        return None
    chosen: list[tuple[str, tuple[tuple[str, ...], ...]]] = []
    for aspect, size in axes:
        options = alternatives(first, aspect)
        if aspect in fixed:
            chosen.append((aspect, fixed[aspect]))
        elif len(options) < size - 1:
            return None
        else:
            chosen.append((aspect, (aspect_of(first, aspect), *_pick(rng, aspect, options, size))))
    family = Family(first, tuple(chosen))
    return None if any(map(faults, family.items)) else family


def _pick(
    rng: random.Random, aspect: str, options: list[tuple[str, ...]], size: int
) -> list[tuple[str, ...]]:
    """``size`` - 1 random ``options``. Of patterns, the pattern is drawn first and then its colour
    and motif: drawn evenly from all options, most would be printed motifs."""
    if aspect != "pattern":
        return rng.sample(options, size - 1)
    picked: list[tuple[str, ...]] = []
    while len(picked) < size - 1:
        pattern = rng.choice(sorted({value[0] for value in options}))
        value = rng.choice([option for option in options if option[0] == pattern])
        if value not in picked:
            picked.append(value)
    return picked
