"""Attributes: classifiers predict each column of a catalogue from a picture's features. They are
dropped after the stage."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from samebut.catalog import NOT_ATTRIBUTES
from samebut.errors import RecipeError
from samebut.language.synonyms import common_name
from samebut.learning.data import captions
from samebut.learning.data.corpus import Corpus
from samebut.learning.encoders.base import unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.tables import Table

UNKNOWN = -1
KINDS = ("article", "kind", "label")  # columns that say what is on a picture
SMOOTHING = 0.1  # of labels, because attributes are guessed from titles and a few are wrong
START_SPREAD = 0.01  # std of a cosine classifier's first weights: short ones turn fast


class Attributes(Term):
    """Cross-entropy of every column's classifier with smoothed labels (Szegedy et al., CVPR 2016,
    section 7), summed over columns, mean over pictures. Where the catalogue has no value for a
    picture, its loss is 0."""

    class Options(Table):
        """``[stages.loss.attributes]``"""

        weight: float = Field(0.0, ge=0)
        """Weight of classifying each column of the catalogue from the picture."""
        columns: tuple[str, ...] = ()
        """Columns to classify; empty: all that have values which several pictures share."""
        cosine_scale: float = Field(0.0, ge=0)
        """Scale of a cosine classifier (NormFace): a value is then classified well only if it is a
        large part of the features, as it must be for a search. 0: linear classifiers."""

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        found = attributes_of(corpus.rows)
        self.labels = {
            name: labels
            for name, labels in found.items()
            if not options.columns or name in options.columns
        }
        # A list, because ModuleDict refuses names that a shop's columns may have, such as "type".
        self.classifiers = nn.ModuleList(
            classifier(model.encoder.dim, 1 + int(labels.max()), options.cosine_scale)
            for labels in self.labels.values()
        )

    @classmethod
    def check(cls, options: Options, corpus: Corpus) -> None:
        known = attributes_of(corpus.rows)
        if not known:
            raise RecipeError(
                "the attributes loss needs a catalog.csv with a column whose values several "
                "pictures share",
                hint="Add one to the data folder, or set loss.attributes.weight = 0.",
            )
        for name in options.columns:
            if name not in known:
                raise RecipeError(
                    f"loss.attributes.columns names '{name}', and no catalogue has a column of "
                    "that "
                    "name whose values several pictures share",
                    hint=f"Known: {', '.join(known)}.",
                )

    def forward(self, step: Step) -> Tensor:
        losses = [
            functional.cross_entropy(
                classify(step.seen.pooled),
                labels[step.rows].to(step.seen.pooled.device),
                ignore_index=UNKNOWN,
                label_smoothing=SMOOTHING,
                reduction="none",
            )
            for classify, labels in zip(self.classifiers, self.labels.values(), strict=True)
        ]
        return (torch.stack(losses) * step.shares.to(step.seen.pooled.device)).sum()


def classifier(dim: int, values: int, cosine_scale: float) -> nn.Module:
    """``(B, dim) -> (B, values)``: by cosine if there is a scale, else linear."""
    return CosineClassifier(dim, values, cosine_scale) if cosine_scale else nn.Linear(dim, values)


class CosineClassifier(nn.Module):
    """A direction for each value; logits are ``scale`` times the cosine of features with it, as in
    a normalised softmax (Wang et al., NormFace, ACM Multimedia 2017, section 3). A linear
    classifier may amplify what is a small part of the features; this one can't."""

    def __init__(self, dim: int, values: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(START_SPREAD * torch.randn(values, dim))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D) -> (B, V)``."""
        return self.scale * unit(features) @ unit(self.weight).T


def attributes_of(rows: Sequence[captions.Row]) -> dict[str, Tensor]:
    """For each column of a catalogue that describes pictures, ``(N,)``: the number of each
    picture's value, ``UNKNOWN`` where it has none.

    ``article``, ``kind`` and ``label`` are one column, in which synonyms are one value, so that
    a thing is one thing in all data folders. A column in which most pictures have a value of their
    own (a price, a number) describes none.
    """
    columns = dict.fromkeys(name for row in rows for name in row if name not in NOT_ATTRIBUTES)
    found = {}
    for name in dict.fromkeys("article" if name in KINDS else name for name in columns):
        said = [
            common_name(captions.article(row)) if name == "article" else row.get(name)
            for row in rows
        ]
        known = [value for value in said if value]
        values = {value: number for number, value in enumerate(sorted(set(known)))}
        if 1 < len(values) <= len(known) / 2:
            found[name] = torch.tensor([values.get(value or "", UNKNOWN) for value in said])
    return found
