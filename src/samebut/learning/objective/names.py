"""Names: what the pretrained trunk can tell apart, and what people call it, find each other.

ImageNet's pictures are not needed: the classifier that the trunk was trained with has a direction
for each of 1,000 things, and features that a picture of the thing may have follow from it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import Tensor

from samebut.errors import RecipeError
from samebut.language.things import things
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import BatchEncoder, EncodingRules
from samebut.learning.encoders.base import unit, without_tokens
from samebut.learning.encoders.efficientnet import LAST, EfficientNetEncoder, published
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.losses import symmetric_info_nce
from samebut.learning.tables import Table

CHINESE = 0.4  # how often a thing is called by a Chinese name
FIRST = 0.6  # how often by the name that people say first
FRAMES = ("{}", "{}", "a {}", "a photo of a {}", "picture of {}")
FRAMES_ZH = ("{}", "{}", "{}的照片", "一张{}的图片")
ROOM = 4096  # pictures that the spread of features is taken from


class Names(Term):
    """Symmetric InfoNCE of things' names and made-up features of pictures of them.

    If features of each class are Gaussian around its mean with one covariance C, the best linear
    classifier's weights are ``C^-1 mean`` (linear discriminant analysis; Hastie et al., The
    Elements of Statistical Learning, section 4.3): so ``C w`` is the mean that class's weights
    ``w`` stand for. Each draw adds Gaussian noise of covariance C; what the trunk says at other
    depths is that of a random picture.
    """

    class Options(Table):
        """``[stages.loss.names]``"""

        weight: float = Field(0.0, ge=0)
        """Weight of the loss between names of everyday things and the classes that the pretrained
        trunk tells apart."""
        batch: int = Field(256, ge=2, le=1000)
        """Things a step."""
        distance: float = Field(1.3, gt=0)
        """How far made-up pictures are from the mean of all, in units of what the classifier's
        weights say."""

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.options = options
        weights = published(model.encoder.settings["size"])["_fc.weight"]
        self.register_buffer("directions", weights - weights.mean(0), persistent=False)
        self._spread: tuple[Tensor, Tensor, Tensor] | None = None

    @classmethod
    def check(cls, options: Options, corpus: Corpus) -> None:
        if len(corpus.files) < 2:
            raise RecipeError("the names loss needs pictures, to learn how features spread")

    @classmethod
    def texts(cls, options: Options) -> Iterable[str]:
        return (name for thing in things() for name in (*thing.english, *thing.chinese))

    @classmethod
    def check_model(cls, options: Options, model: CIRModel, rules: EncodingRules) -> None:
        encoder = model.encoder
        if not (isinstance(encoder, EfficientNetEncoder) and encoder.config.pretrained):
            raise RecipeError(
                "the names loss is of the classes that a pretrained trunk tells apart, and the "
                f"encoder '{encoder.kind}' of this recipe has none",
                hint='Set encoder.kind = "efficientnet" with pretrained = true, or '
                "loss.names.weight = 0.",
            )
        if not rules.caches("image"):
            raise RecipeError(
                "the names loss is of what the pretrained trunk says, and this stage trains it",
                hint='Set features = "cached" and trains = "heads", or loss.names.weight = 0.',
            )
        published(encoder.config.size)

    def forward(self, step: Step) -> Tensor:
        classes = torch.randperm(len(things()))[: self.options.batch]
        features = self.made_up(classes, step.encoder)
        seen = step.encoder.project(step.model, without_tokens(features)).pooled
        rng = random.Random(int(torch.randint(2**31, ())))
        names = [name_of(number, rng) for number in classes.tolist()]
        words = step.encoder.pooled_texts(step.model, [frame(name, rng) for name in names])
        same = torch.tensor([[one == other for other in names] for one in names])
        return symmetric_info_nce(unit(seen), unit(words), same.to(seen.device), scale=step.scale)

    def made_up(self, classes: Tensor, encoder: BatchEncoder) -> Tensor:
        """Features of the trunk that pictures of ``classes (n,)`` may have: ``(n, F)``."""
        middle, means, root = self._of(encoder)
        rows = torch.randint(len(encoder.corpus.files), (len(classes),))
        features = encoder.cached_trunk(rows)
        distance = self.options.distance * torch.empty(len(classes), 1).uniform_(0.7, 1.3)
        noise = torch.randn(len(classes), LAST).to(root.device) @ root.T
        last = middle + means[classes] * distance.to(means.device) + noise
        features[:, -LAST:] = last.clamp_min(0)  # as ReLU leaves them
        return features

    def _of(self, encoder: BatchEncoder) -> tuple[Tensor, Tensor, Tensor]:
        """The mean ``(1280,)`` of all pictures' last layer, how the classes differ from it
        ``(1000, 1280)``, and a root of the covariance."""
        if self._spread is None:
            count = len(encoder.corpus.files)
            rows = torch.linspace(0, count - 1, min(count, ROOM)).long()
            last = encoder.cached_trunk(rows)[:, -LAST:]
            middle = last.mean(0)
            apart = last - middle
            covariance = apart.T @ apart / len(rows)
            means = self.directions @ covariance
            little = 1e-4 * torch.eye(LAST, device=last.device)
            self._spread = middle, means, torch.linalg.cholesky(covariance + little)
        return self._spread


def name_of(number: int, rng: random.Random) -> str:
    """One of a thing's names, more often the one that people say first."""
    thing = things()[number]
    names = thing.chinese if rng.random() < CHINESE else thing.english
    return names[0] if rng.random() < FIRST else rng.choice(names)


def frame(name: str, rng: random.Random) -> str:
    """A name as people search for it."""
    return rng.choice(FRAMES if name.isascii() else FRAMES_ZH).format(name)
