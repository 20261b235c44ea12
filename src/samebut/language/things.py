"""Plain names of the things in photos, in English and Chinese.

The things are the 1,000 classes of ImageNet-1k (Russakovsky et al., "ImageNet Large Scale Visual
Recognition Challenge", 2015). The names are this project's own: its class names are often rare
words ("ashcan", "maillot"), or say nothing without their definition ("crane", "nail").
"""

import tomllib
from functools import cache
from importlib.resources import files
from typing import NamedTuple


class NamedThing(NamedTuple):
    """One class. The first name is what a person would say first, more general ones are last.

    ``wordnet`` is the class's WordNet 3.0 id: "n" and eight digits. Things can share names.
    """

    wordnet: str
    english: tuple[str, ...]
    chinese: tuple[str, ...]


@cache
def things() -> tuple[NamedThing, ...]:
    """The 1,000 classes of ``things.toml``, sorted by WordNet id: the order of a classifier."""
    text = files("samebut.language").joinpath("things.toml").read_text(encoding="utf-8")
    return tuple(
        NamedThing(wordnet, tuple(names["en"]), tuple(names["zh"]))
        for wordnet, names in tomllib.loads(text).items()
    )
