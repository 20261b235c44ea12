"""Recipes: TOML into validated dataclasses. An unknown key is refused, the nearest one named."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from samebut.errors import RecipeError

PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True)
class Stage:
    """One pass of the loop. ``task`` is a row of ``train.TASKS``."""

    task: str
    epochs: int
    batch: int
    lr: float
    weight_decay: float = 0.05
    warmup: float = 0.05  # share of the steps
    decay_epochs: int = 0  # when the rate would reach nothing; 0: with the last epoch
    temperature: float = 0.07
    captions: float = 1.0  # weight of the caption loss, the only one where nothing is composed
    attributes: float = 0.0  # weight of naming a picture's attributes beside the other losses
    size: int = 0  # the input's side in this stage; 0: the recipe's
    fresh: float = 0.0  # share of the queries that is drawn anew in each epoch from [fresh]
    data: tuple[str, ...] = ()  # names of the data folders it learns from; empty: all of them


@dataclass(frozen=True)
class Augment:
    """How much pictures and texts vary in training: least share seen, tilt, and so on."""

    crop: float = 0.7
    tilt: float = 8.0  # degrees
    light: float = 0.15
    erase: float = 0.0  # how often a rectangle of a picture is hidden
    typos: float = 0.0  # how often a text is mistyped


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
    precision: str = "bf16"  # of the encoders; fp32 where a processor has no bf16
    tokenizer_data: tuple[str, ...] = ()  # whose words the tokenizer is trained on; empty: all
    augment: Augment = field(default_factory=Augment)
    fresh: dict[str, dict[str, Any]] = field(default_factory=dict)  # rules for queries, by folder
    encoder: dict[str, Any] = field(default_factory=dict)
    fusion: dict[str, Any] = field(default_factory=lambda: {"name": "combiner"})

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_recipe(path: Path) -> Recipe:
    """Read and check a TOML recipe. RecipeError names the key that is wrong."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path} can't be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not TOML: {error}") from error
    stages = table.pop("stages", [])
    if not stages:
        raise RecipeError(f"{path} has no [[stages]]", hint="A recipe trains at least one stage.")
    table["stages"] = tuple(_fill(Stage, stage, f"{path} [[stages]]") for stage in stages)
    if "augment" in table:
        table["augment"] = _fill(Augment, table["augment"], f"{path} [augment]")
    recipe: Recipe = _fill(Recipe, table, str(path))
    if recipe.precision not in PRECISIONS:
        raise RecipeError(
            f"{path} has the precision '{recipe.precision}'",
            hint=f"Known: {', '.join(PRECISIONS)}.",
        )
    return recipe


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
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
