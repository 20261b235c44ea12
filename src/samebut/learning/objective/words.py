"""Words: the text tower learns everyday words that no caption has, from a pretrained sentence
encoder (the teacher) and from a dictionary."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import chain

import torch
from pydantic import Field
from torch import Tensor, nn

from samebut.learning.data.corpus import Corpus
from samebut.learning.data.phrases import Group, dictionary_groups, own_groups
from samebut.learning.data.teacher import published_teacher, taught
from samebut.learning.encoders.base import unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.losses import symmetric_info_nce
from samebut.learning.tables import Table

OWN = 0.4  # share of pairs from this project's own lists, which name what photos show
TRANSLATED = 0.75  # share of pairs of two languages, where a group has both
SCALE = 20.0  # 1 / temperature of the contrast between phrases


class Words(Term):
    """1 minus the cosine to a sentence encoder's vectors, plus symmetric InfoNCE of translations.

    The cosine is between the teacher's vectors and a linear map of the student's features; the map
    is dropped after the stage (Reimers and Gurevych 2020, arXiv 2004.09813, distil sentences and
    translations in the same way). InfoNCE is computed on the student's features without the map:
    the two phrases of a pair are positives, and so are pairs of groups that share a phrase.
    """

    class Options(Table):
        """``[stages.loss.words]``"""

        weight: float = Field(0.0, ge=0)
        """Weight of the loss over everyday words and phrases in English and Chinese, with the
        sentence encoder and the dictionary of the extra `pretrained`."""
        batch: int = Field(256, ge=4)
        """Phrases a step, in pairs that mean the same."""

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.pairs = options.batch // 2
        self.own, self.dictionary = own_groups(), dictionary_groups()
        # The dictionary first: its vectors are cached in parts, in this order, and so they stay
        # valid when a name is added to our own lists.
        phrases = list(dict.fromkeys(chain.from_iterable((*self.dictionary, *self.own))))
        self.place = {phrase: row for row, phrase in enumerate(phrases)}
        vectors = torch.from_numpy(taught(published_teacher(), phrases, corpus.cache))
        self.register_buffer("vectors", vectors.half(), persistent=False)
        self.map = nn.Linear(model.encoder.dim, vectors.shape[1], bias=False)

    @classmethod
    def check(cls, options: Options, corpus: Corpus) -> None:
        published_teacher()
        dictionary_groups()

    @classmethod
    def texts(cls, options: Options) -> Iterable[str]:
        return chain.from_iterable((*own_groups(), *dictionary_groups()))

    def forward(self, step: Step) -> Tensor:
        rng = random.Random(int(torch.randint(2**31, ())))
        groups = self.drawn(rng)
        pairs = [pair_of(group, rng) for group in groups]
        written = [*(one for one, _ in pairs), *(other for _, other in pairs)]
        said = unit(step.encoder.pooled_texts(step.model, written))
        rows = torch.tensor([self.place[phrase] for phrase in written])
        wanted = self.vectors[rows.to(self.vectors.device)].float()
        distilled = 1 - (unit(self.map(said)) * wanted).sum(1).mean()
        first, second = said.chunk(2)
        alike = symmetric_info_nce(first, second, same_meaning(groups).to(said.device), scale=SCALE)
        return distilled + alike

    def drawn(self, rng: random.Random) -> list[Group]:
        """The groups of a step, drawn at random from our own lists and the dictionary."""
        return [
            rng.choice(self.own if rng.random() < OWN else self.dictionary)
            for _ in range(self.pairs)
        ]


def pair_of(group: Group, rng: random.Random) -> tuple[str, str]:
    """Two phrases of a group, more often of two languages, in random order."""
    one = rng.choice(group)
    others = [phrase for phrase in group if phrase != one]
    translations = [phrase for phrase in others if phrase.isascii() != one.isascii()]
    if translations and rng.random() < TRANSLATED:
        others = translations
    return one, rng.choice(others)


def same_meaning(groups: list[Group]) -> Tensor:
    """``(n, n)``: which groups share a phrase."""
    sets = [frozenset(group) for group in groups]
    return torch.tensor([[not one.isdisjoint(other) for other in sets] for one in sets])
