"""Names: what the pretrained trunk can tell apart is found by what people call it.

ImageNet's pictures are not needed: the classifier that the trunk was trained with has a direction
for each of 1,000 things. The shared space keeps the classifier's principal directions, so a
thing has a place in it before anything is learned; names learn to point there, and pictures of all
folders keep to what the classifier says of them.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import chain

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from samebut.errors import RecipeError
from samebut.language.things import things
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import EncodingRules
from samebut.learning.encoders.base import unit
from samebut.learning.encoders.efficientnet import (
    LAST,
    EfficientNetEncoder,
    published,
)
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.losses import symmetric_info_nce
from samebut.learning.tables import Table

CHINESE = 0.4  # how often a thing is called by a Chinese name
FIRST = 0.6  # how often by the name that people say first
FRAMES = ("{}", "{}", "a {}", "a photo of a {}", "picture of {}")
FRAMES_ZH = ("{}", "{}", "{}的照片", "一张{}的图片")
SCALE = 20.0  # of cosines between names, or pictures, and the places of things


class Names(Term):
    """Names find the places of their things, and pictures keep to the classifier.

    The place of class c is ``P w``: its weights ``w`` of the published classifier, less their mean,
    in the principal directions P with which the head begins (`places` of the encoder); the other
    directions of the space are free. Symmetric InfoNCE of names and
    places, and 1 minus their cosine; beside them the Kullback-Leibler divergence of a picture's
    softmax over places from the classifier's own over classes (Hinton et al., arXiv 1503.02531).
    """

    class Options(Table):
        """``[stages.loss.names]``"""

        weight: float = Field(0.0, ge=0)
        """Weight of the loss between names of everyday things and the classes that the pretrained
        trunk tells apart."""
        batch: int = Field(256, ge=2, le=1000)
        """Names a step."""

    weights: Tensor
    bias: Tensor
    places: Tensor

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.options = options
        encoder = model.encoder
        assert isinstance(encoder, EfficientNetEncoder)  # as check_model has seen to
        classifier = published(encoder.config.size)
        weights = classifier["_fc.weight"]
        places = unit((weights - weights.mean(0)) @ encoder.place_directions().T)
        spare = model.encoder.dim - places.shape[1]
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("bias", classifier["_fc.bias"], persistent=False)
        self.register_buffer("places", functional.pad(places, (0, spare)), persistent=False)

    @classmethod
    def texts(cls, options: Options) -> Iterable[str]:
        return chain.from_iterable((*each.english, *each.chinese) for each in things())

    @classmethod
    def check_model(cls, options: Options, model: CIRModel, rules: EncodingRules) -> None:
        encoder = model.encoder
        if not (isinstance(encoder, EfficientNetEncoder) and encoder.config.pretrained):
            raise RecipeError(
                "the names loss needs an encoder with a pretrained classifier, and the encoder "
                f"'{encoder.kind}' of this recipe has none",
                hint='Set encoder.kind = "efficientnet" with pretrained = true, or '
                "loss.names.weight = 0.",
            )
        if not rules.caches("image"):
            raise RecipeError(
                "the names loss needs the pretrained trunk unchanged, and this stage trains it",
                hint='Set features = "cached" and trains = "heads", or loss.names.weight = 0.',
            )
        published(encoder.config.size)

    def forward(self, step: Step) -> Tensor:
        rng = random.Random(int(torch.randint(2**31, ())))
        classes = torch.randperm(len(things()))[: self.options.batch]
        names = [name_of(number, rng) for number in classes.tolist()]
        written = [frame(name, rng) for name in names]
        said = unit(step.encoder.pooled_texts(step.model, written))
        places = self.places[classes.to(self.places.device)]
        same = torch.tensor([[one == other for other in names] for one in names])
        found = symmetric_info_nce(said, places, same.to(said.device), scale=SCALE)
        return found + 1 - (said * places).sum(1).mean() + self.kept(step)

    def kept(self, step: Step) -> Tensor:
        """How far pictures are from what the classifier says of them."""
        assert step.seen.cached is not None
        trunk, _ = step.seen.cached
        expected = (trunk.pooled[:, -LAST:] @ self.weights.T + self.bias).softmax(1)
        said = (SCALE * unit(step.seen.pooled) @ self.places.T).log_softmax(1)
        each = functional.kl_div(said, expected, reduction="none").sum(1)
        return (each * step.shares.to(each.device)).sum()


def name_of(number: int, rng: random.Random) -> str:
    """One of a thing's names, more often the one that people say first."""
    thing = things()[number]
    names = thing.chinese if rng.random() < CHINESE else thing.english
    return names[0] if rng.random() < FIRST else rng.choice(names)


def frame(name: str, rng: random.Random) -> str:
    """A name as people search for it."""
    return rng.choice(FRAMES if name.isascii() else FRAMES_ZH).format(name)
