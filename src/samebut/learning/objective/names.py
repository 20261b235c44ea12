"""Names: texts learn to find the 1,000 things of ImageNet that the pretrained trunk tells apart.

ImageNet's pictures are not needed: the classifier that the trunk was trained with has a direction
for each of its 1,000 classes. The head starts from the classifier's principal directions, so each
class has a known place in the shared space before any training. The text tower learns to map names
of the class to that place, and pictures of all folders are kept close to the classifier's
predictions for them.
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

CHINESE = 0.4  # share of Chinese names
FIRST = 0.6  # share of first names in the list of a thing, which are the most usual ones
FRAMES = ("{}", "{}", "a {}", "a photo of a {}", "picture of {}")
FRAMES_ZH = ("{}", "{}", "{}的照片", "一张{}的图片")
SCALE = 20.0  # 1 / temperature of cosines between names, or pictures, and the places of classes


class Names(Term):
    """Draws names to the places of their classes, and pictures to the classifier's predictions.

    The place of class c is ``P w``: ``w`` is its row of the published classifier's weights, less
    the mean row, and P are the principal directions with which the head begins (`places` of the
    encoder). The other directions of the space are free. The loss is symmetric InfoNCE of names and
    places, plus 1 minus their cosine, plus the Kullback-Leibler divergence of a picture's softmax
    over places from the classifier's own over classes (Hinton et al., arXiv 1503.02531).
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
        """The Kullback-Leibler divergence of the step's pictures from the classifier."""
        assert step.seen.cached is not None
        trunk, _ = step.seen.cached
        expected = (trunk.pooled[:, -LAST:] @ self.weights.T + self.bias).softmax(1)
        said = (SCALE * unit(step.seen.pooled) @ self.places.T).log_softmax(1)
        each = functional.kl_div(said, expected, reduction="none").sum(1)
        return (each * step.shares.to(each.device)).sum()


def name_of(number: int, rng: random.Random) -> str:
    """One of a thing's names at random, more often the first of its list."""
    thing = things()[number]
    names = thing.chinese if rng.random() < CHINESE else thing.english
    return names[0] if rng.random() < FIRST else rng.choice(names)


def frame(name: str, rng: random.Random) -> str:
    """The name within a search phrase, such as "a photo of a dog"."""
    return rng.choice(FRAMES if name.isascii() else FRAMES_ZH).format(name)
