"""Loss terms of a stage.

To add a term, write a subclass of ``base.Term`` in a file of its own, and a row here: the recipe's
table, its documentation, the checks and the contract tests find it there.
"""

from __future__ import annotations

from samebut.learning.objective.attributes import Attributes
from samebut.learning.objective.base import Term
from samebut.learning.objective.captions import Captions
from samebut.learning.objective.contrast import Contrast
from samebut.learning.objective.distillation import Distillation
from samebut.learning.objective.names import Names
from samebut.learning.objective.words import Words

TERMS: dict[str, type[Term]] = {
    "contrast": Contrast,
    "captions": Captions,
    "attributes": Attributes,
    "distillation": Distillation,
    "names": Names,
    "words": Words,
}
