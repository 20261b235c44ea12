"""What a catalogue says of pictures as something to learn: each value is named from features, by
heads that are thrown away with the stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from samebut.catalog import NOT_ATTRIBUTES
from samebut.learning import captions
from samebut.learning.model import unit

UNSAID = -1
SMOOTHING = 0.1  # attributes are read off titles, and a few are wrong
START_SPREAD = 0.01  # of prototypes: short ones turn within the first steps


class Prototypes(nn.Module):
    """A direction for each value; logits are ``scale`` times the cosine of features with it.

    As in a normalised softmax (Wang et al., NormFace, ACM Multimedia 2017, section 3). A linear
    head may turn up what it hardly hears; here a value is named well only if it is a large part of
    the features, as it has to be for a search, which compares by cosine too.
    """

    def __init__(self, dim: int, values: int, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(START_SPREAD * torch.randn(values, dim))
        self.scale = scale

    def forward(self, features: Tensor) -> Tensor:
        """``(B, D) -> (B, V)``."""
        return self.scale * unit(features) @ unit(self.weight).T


def heads_for(attributes: Mapping[str, Tensor], dim: int, scale: float) -> nn.ModuleList:
    """What names each of ``attributes`` from features of width ``dim``, in their order:
    ``Prototypes``, or linear heads if ``scale`` is 0."""
    # A list, since a shop's columns have names ("type") that a dict of modules refuses.
    counts = [1 + int(labels.max()) for labels in attributes.values()]
    if scale:
        return nn.ModuleList(Prototypes(dim, count, scale) for count in counts)
    return nn.ModuleList(nn.Linear(dim, count) for count in counts)


def naming_loss(
    heads: nn.ModuleList, attributes: Mapping[str, Tensor], features: Tensor, rows: Sequence[int]
) -> Tensor:
    """Cross-entropy of every head for the pictures ``rows``, whose ``features`` are ``(B, D)``:
    with smoothed labels (Szegedy et al., CVPR 2016, section 7), summed over heads, mean over
    pictures. What a catalogue does not say is not asked, and costs nothing.
    """
    places = torch.tensor(rows)
    losses = [
        functional.cross_entropy(
            head(features),
            labels[places].to(features.device),
            ignore_index=UNSAID,
            label_smoothing=SMOOTHING,
            reduction="sum",
        )
        for head, labels in zip(heads, attributes.values(), strict=True)
    ]
    return torch.stack(losses).sum() / len(rows)


def attributes_of(rows: Sequence[captions.Row]) -> dict[str, Tensor]:
    """By the columns of a catalogue that describe pictures, ``(N,)``: the number of each picture's
    value, ``UNSAID`` where it has none.

    What is worn is one attribute, however a catalogue calls it. A column in which most pictures
    have a value of their own (a price, a number) describes none.
    """
    columns = dict.fromkeys(name for row in rows for name in row if name not in NOT_ATTRIBUTES)
    found = {}
    for name in dict.fromkeys("article" if name == "kind" else name for name in columns):
        said = [row.get(name) or (row.get("kind") if name == "article" else "") for row in rows]
        known = [value for value in said if value]
        values = {value: number for number, value in enumerate(sorted(set(known)))}
        if 1 < len(values) <= len(known) / 2:
            found[name] = torch.tensor([values.get(value or "", UNSAID) for value in said])
    return found
