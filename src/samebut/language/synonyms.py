"""Words and short phrases for one and the same thing, in English and Chinese."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files


@cache
def synonym_groups() -> tuple[tuple[str, ...], ...]:
    """The groups of ``synonyms.toml``, each with its commonest phrase first.

    Raises ValueError naming the group where one repeats a phrase or has fewer than two.
    """
    text = files("samebut.language").joinpath("synonyms.toml").read_text(encoding="utf-8")
    groups = tuple(tuple(group) for group in tomllib.loads(text)["groups"])
    for group in groups:
        if len(group) < 2 or len(set(group)) < len(group):
            raise ValueError(f"synonyms.toml: give {group} two or more different phrases")
    return groups


@cache
def _groups_by_phrase() -> dict[str, tuple[str, ...]]:
    return {phrase.lower(): group for group in synonym_groups() for phrase in group}


def common_name(phrase: str) -> str:
    """The commonest phrase for the thing that ``phrase`` names; unknown ones stay, lower-cased."""
    phrase = phrase.lower()
    return _groups_by_phrase().get(phrase, (phrase,))[0]


@cache
def names_of(phrase: str, *, chinese: bool) -> tuple[str, ...]:
    """All phrases of one language for what ``phrase`` names, the commonest first; an unknown
    phrase is its own only English one."""
    group = _groups_by_phrase().get(phrase.lower())
    if group is None:
        return () if chinese else (phrase,)
    return tuple(each for each in group if each.isascii() != chinese)
