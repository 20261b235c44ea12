"""Fusions: (image features, text features) to one query ``(B, D)``, not yet normalised.

A fusion is a module with one signature, ``forward(image, text) -> (B, D)``, and
``gate(image, text) -> (B,)``: how far the query leans to the text, 0 to 1. To add one, write a
file and a line in ``FUSIONS``; the contract test finds it there.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from samebut.errors import RecipeError
from samebut.learning.fusion.combiner import Combiner
from samebut.learning.fusion.sum import Sum

FUSIONS: dict[str, type[nn.Module]] = {"sum": Sum, "combiner": Combiner}


def make_fusion(name: str, dim: int, **options: Any) -> nn.Module:
    """The fusion called ``name`` for features of width ``dim``. RecipeError: no such fusion."""
    if name not in FUSIONS:
        raise RecipeError(f"no fusion is called '{name}'", hint=f"Known: {', '.join(FUSIONS)}.")
    return FUSIONS[name](dim, **options)
