"""Words and short phrases for one and the same thing, in English and Chinese."""

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
