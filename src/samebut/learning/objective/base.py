"""The interface of a loss term; a term is a class in a file of its own, and a row of TERMS."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from samebut.learning import distributed
from samebut.learning.data.corpus import Corpus
from samebut.learning.data.encoding import BatchEncoder, EncodingRules, Seen
from samebut.learning.data.layout import Layout
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch
from samebut.learning.encoders.base import Features
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.tables import Table

Compose = Callable[[CIRModel, Features, Features], Tensor]
"""(model, image, text) to unit-length queries ``(B, D)``: by the model's fusion or by a sum."""


@dataclass(frozen=True)
class Step:
    """One batch, with what this process has encoded of it.

    ``layout`` says which pictures each process encodes. ``own`` is this process's share of the
    batch, ``rows (n,)`` its pictures as rows of the corpus, ``seen`` their features. ``queries
    (b, D)`` are its composed queries, unit length, made of ``words``, the features of the texts
    ``written``; all three are empty for a batch of pictures alone. ``scale`` multiplies cosines
    (1 / temperature).
    """

    model: CIRModel
    encoder: BatchEncoder
    compose: Compose
    table: QueryTable
    batch: Batch
    own: Batch
    layout: Layout
    rows: Tensor
    seen: Seen
    scale: Tensor
    queries: Tensor | None = None
    words: Features | None = None
    written: tuple[str, ...] = ()

    @property
    def shares(self) -> Tensor:
        """``(n,)``: the weight of each of ``rows`` in a term over pictures. A picture that several
        processes encode counts once."""
        return self.layout.shares()[distributed.rank()]


class Term(nn.Module, ABC):
    """A term of the loss. Parameters of its own are dropped after the stage.

    ``Options`` is its table in ``[stages.loss]``, with a field ``weight``; at 0 the term is left
    out. Several processes average their gradients. So a term over this process's queries has to be
    their mean, one over its pictures has to weigh them by ``Step.shares``, and one over the rows of
    all processes has to ``gather`` them first.
    """

    Options: ClassVar[type[Table]]
    needs_queries: ClassVar[bool] = False
    """Whether it compares composed queries; batches of a stage without such a term are pictures
    alone."""

    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        """``model`` has the weights that the stage began with, also when a killed run resumes."""
        super().__init__()

    @classmethod
    def check(cls, options: Any, corpus: Corpus) -> None:
        """Raise RecipeError if the corpus lacks what the term needs; called before any training."""

    @classmethod
    def texts(cls, options: Any) -> Iterable[str]:
        """Texts that the term encodes beside the corpus's own; a tokenizer that the run trains is
        trained on them, too."""
        return ()

    @classmethod
    def check_model(cls, options: Any, model: CIRModel, rules: EncodingRules) -> None:
        """Raise RecipeError if the term can't train this model with the stage's encoding; called
        before any training, too."""

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The loss of a step, a scalar, not yet multiplied by its weight."""
