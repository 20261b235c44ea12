"""The keys of a recipe. A stage's own keys say what trains, its table ``queries`` on which queries,
``loss`` with which loss, and ``handoff`` which weights the next stage starts from.

Each table is declared where it is used: ``Queries`` by the sampler, ``Augment`` by augmentation,
the loss's by its terms. docs/training.md lists them all, generated from the declarations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, create_model, model_validator

from samebut.learning.data.augment import Augment
from samebut.learning.data.corpus import SourceSettings
from samebut.learning.data.encoding import Trains
from samebut.learning.data.sampler import Queries
from samebut.learning.objective import TERMS
from samebut.learning.recipe.presets import weighed
from samebut.learning.tables import Contradiction, Table


class LossTable(Table):
    """``[stages.loss]``: a number for a term is its weight."""

    @model_validator(mode="before")
    @classmethod
    def _numbers_are_weights(cls, values: Any) -> Any:
        if not isinstance(values, dict):
            return values
        return {name: weighed(value) for name, value in values.items()}

    @model_validator(mode="after")
    def _terms_have_weights(self) -> Self:
        terms = {name: getattr(self, name) for name in TERMS}
        if not any(term.weight for term in terms.values()):
            raise Contradiction(
                "every loss term has the weight 0",
                hint=f"Give one of them a weight: {', '.join(TERMS)}.",
            )
        for name, term in terms.items():
            unused = [
                key
                for key, field in type(term).model_fields.items()
                if key not in ("weight", "scale", "learned_scale")
                and getattr(term, key) != field.get_default(call_default_factory=True)
            ]
            if "weight" in type(term).model_fields and not term.weight and unused:
                key = unused[0]
                raise Contradiction(
                    f"{name}.{key} is set, and {name}.weight is 0",
                    hint=f"Give {name} a weight, or leave {key} out.",
                    key=(name, key),
                )
        return self


if TYPE_CHECKING:
    Loss = Any
else:
    Loss = create_model(
        "Loss",
        __base__=LossTable,
        **{name: (term.Options, term.Options()) for name, term in TERMS.items()},
    )


class Handoff(Table):
    """``[stages.handoff]``: which weights a stage hands on to the next one."""

    keep: Literal["last", "best"] = "last"
    """The averaged weights of the last epoch, or of the one with the best score."""
    patience: int = Field(0, ge=0)
    """Epochs without a better score after which the stage stops; 0: never."""
    interpolate: float = Field(1.0, gt=0, le=1)
    """Share of the trained weights in those handed on, interpolated with the weights that the stage
    began with (WiSE-FT, Wortsman et al., CVPR 2022); 1: no interpolation."""


class Stage(Table):
    """``[[stages]]``: its own keys say what trains, and how fast."""

    preset: str = ""
    """The preset that gives the keys which the stage leaves out; empty: none."""
    trains: Trains = "all"
    """What trains: all of the model; both towers of the encoder; `heads`, all but the trunk of the
    picture tower; one tower; or the fusion."""
    features: Literal["live", "cached"] = "live"
    """Whether pictures and texts are encoded at every step, or once, where their tower does not
    train."""
    composes: Literal["fusion", "sum"] = "fusion"
    """What composes queries: the recipe's fusion, or the plain sum."""
    lr: float = Field(gt=0)
    """The highest learning rate of AdamW."""
    weight_decay: float = Field(0.05, ge=0)
    """Weight decay of matrices; vectors (biases, norms) do not decay."""
    warmup: float = Field(0.05, ge=0, le=1)
    """Share of all steps in which the learning rate rises; then it falls to 0 by half a cosine."""
    size: int = Field(0, ge=0)
    """Side of the pictures in this stage, in pixels; 0: the recipe's."""
    frozen_norms: bool = False
    """Whether batch norms use their running statistics, as CLIP4Cir does with CLIP's."""
    recompute: bool = False
    """Whether to encode in parts and compute activations again for the gradient (activation
    checkpointing): less memory, more time."""
    queries: Queries
    """On which queries."""
    loss: Loss = Field(default_factory=Loss)
    """Compared how."""
    handoff: Handoff = Handoff()
    """Handed on how."""

    @property
    def has_queries(self) -> bool:
        """Whether queries are composed; otherwise the stage goes through pictures."""
        return any(getattr(self.loss, name).weight for name, t in TERMS.items() if t.needs_queries)

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        for message, hint, key in _contradictions(self):
            raise Contradiction(message, hint=hint, key=key)
        return self


def _contradictions(stage: Stage) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Keys that can't both hold: what is wrong, what to do, and where the key stands."""
    trains, queries = f'trains = "{stage.trains}"', stage.queries
    cached = stage.features == "cached"
    keeps_trunk = stage.trains in ("heads", "text", "fusion")
    if cached and stage.trains in ("all", "encoder"):
        said = f'features = "cached" caches towers that do not train, and {trains} trains both'
        hint = 'Set features = "live", or trains to "heads", "fusion", "text" or "image".'
        yield said, hint, ("features",)
    if stage.trains == "fusion" and stage.composes == "sum":
        said = f'{trains}, and composes = "sum" uses no fusion: nothing would train'
        yield said, 'Set composes = "fusion".', ("composes",)
    if stage.trains == "fusion" and not stage.has_queries:
        said = f"{trains}, and loss.contrast.weight = 0 composes no queries: nothing would train"
        yield said, "Give loss.contrast a weight.", ("trains",)
    if stage.trains == "fusion" and stage.recompute:
        said = f"recompute is of a tower that trains, and {trains} trains none"
        yield said, "Leave recompute out.", ("recompute",)
    if queries.views > 1 and not (cached and keeps_trunk):
        said = (
            f"queries.views = {queries.views} is of cached pictures, and this stage encodes "
            "pictures at every step, in a new view each time"
        )
        yield said, "Leave queries.views out.", ("queries", "views")
    if stage.size and cached and keeps_trunk:
        said = (
            f"size = {stage.size} is of pictures that are encoded at every step, and this stage "
            "has them cached in the recipe's size"
        )
        yield said, "Leave the stage's size out, or change the recipe's.", ("size",)
    for key in ("resampled", "cluster_size", "hard_negatives"):
        if getattr(queries, key) and not stage.has_queries:
            yield from _of_queries(key)
    if queries.mined.count and not stage.has_queries:
        yield from _of_queries("mined")


def _of_queries(key: str) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    said = f"queries.{key} is of composed queries, and loss.contrast.weight = 0 composes none"
    yield said, "Give loss.contrast a weight, or leave the key out.", ("queries", key)


class Recipe(Table):
    """All that decides a run, but the pictures themselves."""

    name: str
    """Name of the model."""
    stages: tuple[Stage, ...] = Field(min_length=1)
    """The stages, in order; each begins with what the one before it handed on."""
    knows: dict[str, str] = Field(default_factory=dict)
    """What the model knows, a sentence a language (`en`, `zh`): for its card and for the page."""
    seed: int = 0
    """Seed of all random numbers."""
    size: int = Field(112, ge=1)
    """Side of the pictures that the encoder sees, in pixels."""
    margin: float = Field(1.15, ge=1)
    """Factor by which decoded pictures are larger than `size`, so that they can be cropped."""
    padding: Literal["target", "square", "none", "stretch"] = "target"
    """How a picture becomes a square: padded by its aspect ratio (target) or wholly (square), cut
    to its centre (none), or stretched."""
    fill: Literal["edge", "mean", "zero"] = "edge"
    """What padding is filled with: the edge's colours, the mean colour, or black (as published)."""
    ema: float = Field(0.998, ge=0, lt=1)
    """Decay of the moving average of the weights, which is scored and kept; 0: no average."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Arithmetic of encoders and fusion; fp32 where a processor has no bf16."""
    init: str = ""
    """What the weights start from: "bundled", or a trained model's folder (`runs/mine/model`)
    relative to where the command is run. What [encoder] and [fusion] leave out is taken from it."""
    reinit: tuple[Literal["fusion"], ...] = ()
    """Parts of `init` that start from random weights instead."""
    metric: str = ""
    """The score that epochs are compared by, for example "R@10"; empty: the validation set's
    headline."""
    checkpoint_seconds: float = Field(600.0, ge=0)
    """Seconds between two checkpoints within an epoch."""
    sources: dict[str, SourceSettings] = Field(default_factory=dict)
    """How data folders are read, by name; below."""
    augment: Augment = Augment()
    """How pictures and texts vary; below."""
    encoder: dict[str, Any] = Field(default_factory=dict)
    """`kind`, and the options of that family (docs/models.md); kind is "small" if left out."""
    fusion: dict[str, Any] = Field(default_factory=dict)
    """`name`, and the options of that fusion (docs/fusion.md); name is "combiner" if left out."""

    @model_validator(mode="after")
    def _has_init(self) -> Self:
        if self.reinit and not self.init:
            raise Contradiction(
                "reinit says which parts of init start anew, and there is no init",
                hint="Set init, or leave reinit out: all weights are random then.",
                key=("reinit",),
            )
        return self
