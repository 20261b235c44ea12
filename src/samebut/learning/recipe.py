"""Recipes: TOML into validated dataclasses.

An unknown key is refused and the nearest one named; so is a value of another type or out of range.
"""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, get_type_hints

from samebut.errors import RecipeError

PRECISIONS = ("bf16", "fp32")
TUNED = ("both", "text", "image")
KEPT = ("last", "best")


@dataclass(frozen=True)
class Stage:
    """One pass of the loop. ``task`` is a row of ``plan.TASKS``."""

    task: str
    epochs: int
    batch: int
    lr: float
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    decay_epochs: int = 0  # when the rate would reach nothing; 0: with the last epoch
    temperature: float = 0.07
    captions: float = 0.0  # weight of the caption loss; unsaid, 1 where it is the only one
    attributes: float = 0.0  # weight of naming a picture's attributes beside the other losses
    columns: tuple[str, ...] = ()  # of a catalogue, that attributes are named of; empty: all
    prototypes: float = 0.0  # scale of the cosines that attributes are named by; 0: linear heads
    # weight, by data folder, of what pictures and queries move away from what it began with
    stay: dict[str, float] = field(default_factory=dict)
    size: int = 0  # the input's side in this stage; 0: the recipe's
    fresh: float = 0.0  # share of the queries that is drawn anew in each epoch from [fresh]
    similar: int = 1  # so many references that are alike, by hard subsets, come together
    similar_in: tuple[str, ...] = ()  # names of the data folders where they do; empty: all
    wrong: int = 0  # so many wrong answers of each query's hard subset come along
    data: tuple[str, ...] = ()  # names of the data folders it learns from; empty: all of them
    accumulate: int = 1  # batches whose gradients make one step
    patience: int = 0  # epochs without a better score before the stage stops; 0: never
    keep: str = "last"  # which weights go on: those of the last epoch or of the best one
    runs: int = 1  # so often the stage is trained, by other chance; the mean of all goes on
    mix: float = 1.0  # share of the trained weights that go on; the rest are those of mix_with
    # 0: what the run began with, n: what stage n handed on, -1: what this stage began with
    mix_with: int = -1
    # tune and fuse: the loss
    scale: float = 0.0  # of the logits, 100 as published; 0: learned, from the temperature
    symmetric: bool = False  # targets look for their queries too
    smoothing: float = 0.0
    hardness: float = 0.0  # beta of HN-NCE
    positive_weight: float = 1.0  # alpha of HN-NCE
    references: bool = False  # other queries' references are candidates too
    negatives: int = 0  # mined for each query
    mine_every: int = 1  # epochs
    mine_from: int = 0  # the first epoch that has them, counted from 0
    # tune
    encoder: str = "both"  # which towers are tuned: both, text or image
    fusion: str = "sum"  # what composes meanwhile: the plain sum, or the recipe's fusion by name
    frozen_norms: bool = False  # batch norms as in evaluation, as CLIP4Cir keeps CLIP
    checkpointing: bool = False  # encode in parts and again when going back: less memory, more time
    # fuse
    views: int = 1  # cached of each picture; the first is the picture as it is


@dataclass(frozen=True)
class Augment:
    """How much pictures and texts vary in training: least share seen, tilt, and so on."""

    crop: float = 0.7
    out: float = 0.0  # how much more than the picture may be seen: its edge goes on
    tilt: float = 8.0  # degrees
    light: float = 0.15  # how much flatter or harder: contrast
    exposure: float = 0.0  # how much brighter or darker: 1 is up to twice or half
    mirror: float = 0.5  # how often left and right change places; 0 where texts name them
    erase: float = 0.0  # how often a rectangle of a picture is hidden
    typos: float = 0.0  # how often a text is mistyped
    chatter: float = 0.0  # how often a text has words around it that ask for nothing
    nonsense: float = 0.0  # how often a word that nobody knows stands in a text


@dataclass(frozen=True)
class Recipe:
    """All that decides a run, but the pictures themselves."""

    name: str
    stages: tuple[Stage, ...]
    seed: int = 0
    size: int = 112
    margin: float = 1.15  # cached pictures are this much larger than the input, room for crops
    padding: str = "target"
    fill: str = "edge"
    ema: float = 0.998
    precision: str = "bf16"  # of encoders and fusion; fp32 where a processor has no bf16
    init: str = ""  # a trained folder, or "bundled": its encoder, and its fusion if it is the same
    tokenizer_data: tuple[str, ...] = ()  # whose words the tokenizer is trained on; empty: all
    metric: str = ""  # that epochs are compared by; empty: the validation set's headline
    checkpoint_seconds: float = 600.0  # between two checkpoints within an epoch
    sources: dict[str, Any] = field(default_factory=dict)  # by data folder: its reader and options
    augment: Augment = field(default_factory=Augment)
    fresh: dict[str, dict[str, Any]] = field(default_factory=dict)  # rules for queries, by folder
    most: dict[str, Any] = field(default_factory=dict)  # queries of a folder in an epoch of compose
    encoder: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] = field(default_factory=lambda: {"name": "combiner"})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


Limit = tuple[str, Callable[[Any], bool]]

POSITIVE: Limit = ("more than 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE: Limit = ("0 or more", lambda value: 0 <= value < math.inf)
ONE_OR_MORE: Limit = ("1 or more", lambda value: 1 <= value < math.inf)
SHARE: Limit = ("from 0 to 1", lambda value: 0 <= value <= 1)
BELOW_ONE: Limit = ("0 or more, below 1", lambda value: 0 <= value < 1)

LIMITS: dict[type[Any], dict[str, Limit]] = {
    Stage: {
        "epochs": ONE_OR_MORE,
        "batch": ("2 or more", lambda value: value >= 2),
        "lr": POSITIVE,
        "weight_decay": NOT_NEGATIVE,
        "warmup": SHARE,
        "decay_epochs": NOT_NEGATIVE,
        "temperature": POSITIVE,
        "captions": NOT_NEGATIVE,
        "attributes": NOT_NEGATIVE,
        "prototypes": NOT_NEGATIVE,
        "size": NOT_NEGATIVE,
        "fresh": SHARE,
        "similar": ONE_OR_MORE,
        "wrong": NOT_NEGATIVE,
        "runs": ONE_OR_MORE,
        "mix": ("more than 0, 1 at most", lambda value: 0 < value <= 1),
        "mix_with": ("0, the number of an earlier stage, or -1", lambda value: value >= -1),
        "accumulate": ONE_OR_MORE,
        "patience": NOT_NEGATIVE,
        "scale": NOT_NEGATIVE,
        "smoothing": BELOW_ONE,
        "hardness": NOT_NEGATIVE,
        "positive_weight": NOT_NEGATIVE,
        "negatives": NOT_NEGATIVE,
        "mine_every": ONE_OR_MORE,
        "mine_from": NOT_NEGATIVE,
        "views": ONE_OR_MORE,
    },
    Augment: {
        "crop": ("more than 0, 1 at most", lambda value: 0 < value <= 1),
        "out": NOT_NEGATIVE,
        "tilt": ("from 0 to 180", lambda value: 0 <= value <= 180),
        "light": BELOW_ONE,
        "exposure": NOT_NEGATIVE,
        "mirror": SHARE,
        "erase": SHARE,
        "typos": SHARE,
        "chatter": SHARE,
        "nonsense": SHARE,
    },
    Recipe: {
        "size": ONE_OR_MORE,
        "margin": ONE_OR_MORE,
        "ema": BELOW_ONE,
        "checkpoint_seconds": NOT_NEGATIVE,
    },
}

CHOICES: dict[type[Any], dict[str, tuple[str, ...]]] = {
    Stage: {"encoder": TUNED, "keep": KEPT},
    Recipe: {"precision": PRECISIONS},
}

# What a key of this type may hold; bool is an int to Python, and here it is none.
TYPES: dict[Any, tuple[str, Callable[[Any], bool]]] = {
    bool: ("true or false", lambda value: isinstance(value, bool)),
    int: ("a whole number", lambda value: isinstance(value, int) and not isinstance(value, bool)),
    float: (
        "a number",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    ),
    str: ("a text", lambda value: isinstance(value, str)),
    tuple[str, ...]: (
        "a list of texts",
        lambda value: isinstance(value, tuple) and all(isinstance(each, str) for each in value),
    ),
    dict[str, Any]: ("a table", lambda value: isinstance(value, Mapping)),
    dict[str, float]: (
        "a table of numbers, 0 or more",
        lambda value: isinstance(value, Mapping) and all(map(_is_weight, value.values())),
    ),
}


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < math.inf


def read_recipe(path: Path, changes: Sequence[str] = ()) -> Recipe:
    """Read and check a TOML recipe. RecipeError names the key that is wrong.

    ``changes`` are made first, each ``KEY=VALUE`` as TOML writes values: ``seed=2``,
    ``stages.3.lr=1e-4`` (stages are counted from 1); without a value the key is taken out.
    """
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} can't be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    for change in changes:
        _change(table, change)
    stages = table.pop("stages", [])
    if not stages:
        raise RecipeError(f"{path} has no [[stages]]", hint="A recipe trains at least one stage.")
    if not isinstance(stages, list) or not all(isinstance(stage, dict) for stage in stages):
        raise RecipeError(f"{path} has stages that are no tables", hint="Write them as [[stages]].")
    table["stages"] = tuple(_fill(Stage, stage, f"{path} [[stages]]") for stage in stages)
    if "augment" in table:
        if not isinstance(table["augment"], dict):
            raise RecipeError(f"{path}: augment is no table", hint="Write it as [augment].")
        table["augment"] = _fill(Augment, table["augment"], f"{path} [augment]")
    recipe: Recipe = _fill(Recipe, table, str(path))
    return recipe


def _change(table: dict[str, Any], change: str) -> None:
    """Set what ``KEY=VALUE`` says in ``table``."""
    name, equals, value = change.partition("=")
    *path, key = name.strip().split(".")
    place: Any = table
    try:
        for part in path:
            place = place[int(part) - 1 if isinstance(place, list) else part]
        if value.strip():
            place[key] = tomllib.loads(f"value = {value}")["value"]
        else:
            place.pop(key, None)
    except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
        raise RecipeError(
            f"the change {change} can't be made",
            hint="Write KEY=VALUE as TOML has it, for example stages.2.lr=1e-4 or "
            "'fusion.name=\"sum\"'.",
        ) from error
    if not equals:
        raise RecipeError(f"the change {change} has no '='", hint="Write it as KEY=VALUE.")


def _fill(kind: type[Any], values: dict[str, Any], where: str) -> Any:
    known = {f.name: f for f in fields(kind)}
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"Did you mean '{near[0]}'?" if near else f"Known: {', '.join(known)}."
            raise RecipeError(f"{where} has an unknown key '{key}'", hint=hint)
    needed = [
        name
        for name, f in known.items()
        if f.default is MISSING and f.default_factory is MISSING and name not in values
    ]
    if needed:
        raise RecipeError(f"{where} lacks {', '.join(needed)}")
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
    hints = get_type_hints(kind)
    for key, value in given.items():
        _check(kind, key, value, hints[key], where)
    return kind(**given)


def _check(kind: type[Any], key: str, value: Any, hint: Any, where: str) -> None:
    """Refuse a value of another type, not among the choices, or out of range."""
    if hint in TYPES and not TYPES[hint][1](value):
        raise RecipeError(f"{where}: {key} is {value!r}", hint=f"It has to be {TYPES[hint][0]}.")
    choices = CHOICES.get(kind, {}).get(key)
    if choices and value not in choices:
        raise RecipeError(f"{where} has the {key} '{value}'", hint=f"Known: {', '.join(choices)}.")
    limit = LIMITS.get(kind, {}).get(key)
    if limit and not limit[1](value):
        raise RecipeError(f"{where}: {key} is {value}", hint=f"It has to be {limit[0]}.")
