"""Captions: contrast between pictures and their captions (Radford et al. 2021)."""

from __future__ import annotations

import random
import zlib

import torch
from pydantic import Field
from torch import Tensor

from samebut.catalog import NOT_ATTRIBUTES
from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.data import captions
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.layout import each_once
from samebut.learning.data.text_noise import noisy
from samebut.learning.encoders.base import unit
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.base import Step, Term
from samebut.learning.objective.losses import symmetric_info_nce
from samebut.learning.tables import Table


class Captions(Term):
    """Symmetric InfoNCE of pictures and captions; equal attributes and equal captions are
    positives."""

    class Options(Table):
        """``[stages.loss.captions]``"""

        weight: float = Field(0.0, ge=0)
        """Weight of the loss between pictures and captions made of their catalogue rows."""
        pictures: int = Field(0, ge=0)
        """Number of a step's pictures, drawn at random, whose captions are encoded; 0: all. Where
        features of pictures are cached, encoding captions takes most of a step's time."""

    def __init__(self, options: Options, corpus: Corpus, model: CIRModel) -> None:
        super().__init__(options, corpus, model)
        self.options, self.corpus = options, corpus
        names = [
            tuple(value for column, value in row.items() if column not in NOT_ATTRIBUTES)
            for row in corpus.rows
        ]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.kinds = torch.tensor([numbers[name] for name in names])

    @classmethod
    def check(cls, options: Options, corpus: Corpus) -> None:
        if not corpus.described:
            raise RecipeError(
                "the captions loss needs a catalog.csv with a title for every picture",
                hint="Add one to the data folder, or set loss.captions.weight = 0.",
            )

    def forward(self, step: Step) -> Tensor:
        rng = random.Random(int(torch.randint(2**31, ())))
        own = self.drawn(len(step.rows), rng)
        rows = step.rows[own]
        said = [captions.caption(self.corpus.rows[row], rng) for row in rows.tolist()]
        written = noisy(said, step.encoder.rules.augment)
        words = unit(step.encoder.pooled_texts(step.model, written))
        pictures = unit(step.seen.pooled)[own]
        gathered = distributed.gather(rows.to(pictures.device))
        places = each_once(gathered.cpu())
        kinds = self.kinds[gathered.cpu()[places]]
        places = places.to(pictures.device)
        digests = torch.tensor([zlib.crc32(text.encode()) for text in said])
        texts = distributed.gather(digests.to(pictures.device))[places]
        same = (kinds[:, None] == kinds[None, :]).to(pictures.device)
        same |= texts[:, None] == texts[None, :]
        return symmetric_info_nce(
            distributed.gather(pictures)[places],
            distributed.gather(words)[places],
            same,
            scale=step.scale,
        )

    def drawn(self, count: int, rng: random.Random) -> Tensor:
        """Places, among so many own pictures, of those whose captions are read."""
        share = self.options.pictures // distributed.count()
        if not share or share >= count:
            return torch.arange(count)
        return torch.tensor(rng.sample(range(count), share))
