"""Fusions: (image features, text features) to one query ``(B, D)``, not yet normalised.

To add one, write a file and a line in ``FUSIONS``; the contract tests find it there. The interface
is in ``base.py``, diagrams and formulas are in docs/fusion.md.
"""

from __future__ import annotations

import inspect
from typing import Any

from samebut.errors import RecipeError
from samebut.learning.fusion.base import Fusion
from samebut.learning.fusion.combiner import Combiner
from samebut.learning.fusion.cross_attention import CrossAttention
from samebut.learning.fusion.film import Film
from samebut.learning.fusion.maaf import Maaf
from samebut.learning.fusion.sum import Sum
from samebut.learning.fusion.tirg import Tirg

FUSIONS: dict[str, type[Fusion]] = {
    "sum": Sum,
    "tirg": Tirg,
    "film": Film,
    "maaf": Maaf,
    "combiner": Combiner,
    "cross_attention": CrossAttention,
}


def make_fusion(name: str, dim: int, **options: Any) -> Fusion:
    """The fusion called ``name`` for features of width ``dim``.

    RecipeError: no such fusion, an option it does not have, or a value it refuses.
    """
    if name not in FUSIONS:
        raise RecipeError(f"no fusion is called '{name}'", hint=f"Known: {', '.join(FUSIONS)}.")
    known = list(inspect.signature(FUSIONS[name]).parameters)[1:]
    for option in options:
        if option not in known:
            raise RecipeError(
                f"the fusion '{name}' has no option '{option}'",
                hint=f"Its options: {', '.join(known) or 'none'}.",
            )
    try:
        return FUSIONS[name](dim, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        given = ", ".join(f"{key} = {value!r}" for key, value in options.items())
        raise RecipeError(
            f"the fusion '{name}' can't be built with {given or 'its defaults'}: {error}",
            hint=f"Its options and their defaults: {_defaults(name) or 'none'}.",
        ) from error


def _defaults(name: str) -> str:
    options = list(inspect.signature(FUSIONS[name]).parameters.values())[1:]
    return ", ".join(f"{each.name} = {each.default!r}" for each in options)
