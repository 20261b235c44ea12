"""Wishes that name no new value: "not red", "darker".

A part of a change's name may begin with a row of WISHES: "not colour", "colour+not pattern". All
pictures whose value fits the wish are right then, whatever their value is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from samebut.language import palette

Values = tuple[str, ...]


def another(new: str, old: str) -> bool:
    """Whether two values are clearly different: navy blue is no answer to "not blue", nor is
    "multicoloured", which may include blue."""
    if new in palette.SEVERAL or new == old:
        return False
    return not palette.families(new) & palette.families(old)


def darker(new: str, old: str) -> bool:
    """Whether a colour is clearly darker; False if one of them is not a known colour."""
    known = palette.LIGHTNESS
    return new in known and old in known and known[new] < known[old]


def lighter(new: str, old: str) -> bool:
    """Whether a colour is clearly lighter."""
    return darker(old, new)


WISHES: dict[str, Callable[[str, str], bool]] = {
    "not": another,
    "darker": darker,
    "lighter": lighter,
}
"""A wish -> whether a value fulfils it, given the reference's."""


def parsed(name: str) -> tuple[tuple[str, str], ...]:
    """The wish, "" where there is none, and the column of each part of a change's name."""
    parts = []
    for part in name.split("+"):
        wish, _, column = part.partition(" ")
        parts.append((wish, column.strip()) if wish in WISHES and column else ("", part))
    return tuple(parts)


def columns_in(name: str) -> tuple[str, ...]:
    """The columns of a change's name."""
    return tuple(column for _, column in parsed(name))


def answers(
    pictures: Mapping[Values, Sequence[int]], wishes: Sequence[str], old: Values
) -> Iterator[tuple[Values, tuple[int, ...]]]:
    """What can be asked for, each with all pictures that answer it, in order.

    ``pictures`` maps values of the changed columns to pictures; ``wishes`` and ``old`` have an
    entry for each of these columns. Where there is a wish, it takes the place of the new value in
    what is asked for.
    """
    found: dict[Values, list[int]] = {}
    for new, numbers in pictures.items():
        if all(map(_fulfils, wishes, new, old)):
            asked = tuple(wish or value for wish, value in zip(wishes, new, strict=True))
            found.setdefault(asked, []).extend(numbers)
    for asked, right in found.items():
        yield asked, tuple(sorted(right))


def _fulfils(wish: str, new: str, old: str) -> bool:
    return WISHES[wish](new, old) if wish else new != old
