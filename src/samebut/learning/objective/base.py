"""What every term of the loss promises; a term is a class in a file of its own, and a row of
TERMS."""

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
    """One batch as this process has seen it.

    ``layout`` says what all processes encode, ``own`` is this process's share of the batch and
    ``rows (n,)`` its pictures; ``seen`` are their features. ``queries (b, D)`` are its composed
    queries, unit length, made of ``words``, features of the texts ``written``; of a batch of
    pictures alone there are none. ``scale`` is that of cosines.
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
        """``(n,)``: what each of ``rows`` weighs in a term over pictures. A picture that several
        processes encode counts once."""
        return self.layout.shares()[distributed.rank()]


class Term(nn.Module, ABC):
    """A term of the loss. What it learns beside the model goes with the stage.

    ``Options`` is its table in ``[stages.loss]``, with a field ``weight``; at 0 the term is left
    out. Several processes average their gradients: a term over own queries is a mean over them,
    one over own pictures weighs them by ``Step.shares``, one over all rows gathers them first.
    """

    Options: ClassVar[type[Table]]
    needs_queries: ClassVar[bool] = False
    """Whether it compares composed queries; a stage without such a term goes through pictures."""

    def __init__(self, options: Any, corpus: Corpus, model: CIRModel) -> None:
        """``model`` as the stage found it, also where a killed run goes on."""
        super().__init__()

    @classmethod
    def check(cls, options: Any, corpus: Corpus) -> None:
        """Raise RecipeError if the corpus lacks what the term needs; asked before any training."""

    @classmethod
    def texts(cls, options: Any) -> Iterable[str]:
        """What it shows the text tower beside the corpus's texts: a tokenizer that the run trains
        learns from them, too."""
        return ()

    @classmethod
    def check_model(cls, options: Any, model: CIRModel, rules: EncodingRules) -> None:
        """Raise RecipeError if the term can't train this model as the stage encodes; asked before
        any training, too."""

    @abstractmethod
    def forward(self, step: Step) -> Tensor:
        """The loss of a step, not yet weighed: a number."""
