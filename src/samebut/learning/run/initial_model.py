"""The model that a run begins with: with random weights, or with those of ``init``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from samebut.errors import ModelError, RecipeError
from samebut.files import json_of
from samebut.learning.data import captions
from samebut.learning.data.corpus import Corpus
from samebut.learning.encoders import ENCODERS
from samebut.learning.encoders.base import Encoder
from samebut.learning.model.cir_model import WEIGHTS, CIRModel
from samebut.learning.model.stored import GRAPHS, REST
from samebut.learning.objective import TERMS
from samebut.learning.recipe.schema import Recipe
from samebut.learning.tables import Wrong, read_table
from samebut.preprocess import Preprocess
from samebut.runtime import model_folder

DEFAULT_ENCODER, DEFAULT_FUSION = "small", "combiner"


@dataclass(frozen=True)
class InitialModel:
    """A model, and lines for the log that say where its weights come from."""

    model: CIRModel
    origin: tuple[str, ...]


def initial_model(recipe: Recipe, corpus: Corpus) -> InitialModel:
    """The recipe's encoder and fusion. A tokenizer of the run's own is trained on ``corpus``.

    With ``init``, the weights are those of that model, and [encoder] and [fusion] must fit them in
    names and shapes. RecipeError: they don't, or they name what does not exist. ModelError:
    ``init`` can't be read.
    """
    torch.manual_seed(recipe.seed)
    if recipe.init:
        return _continued(recipe)
    described = [row for row in corpus.rows if captions.title(row)]
    texts = [
        *captions.words(described),
        *(text for q in corpus.queries for text in q.texts),
        *_shown_by_terms(recipe),
    ]
    options = {key: value for key, value in recipe.encoder.items() if key != "kind"}
    family = encoder_family(recipe)
    _check_options(family, options)
    try:
        encoder = family.create(options, texts)
        model = _with_fusion(encoder, recipe, {"name": DEFAULT_FUSION} | recipe.fusion)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the model can't be built from [encoder] and [fusion]: {error}",
            hint="Correct [encoder] and [fusion]: docs/models.md and docs/fusion.md list their "
            "settings.",
        ) from error
    source = options.get("source")
    return InitialModel(
        model,
        (
            f"encoder from {source}" if source else f"encoder {encoder.kind}: random weights",
            _random_fusion(model),
        ),
    )


def _shown_by_terms(recipe: Recipe) -> list[str]:
    """The texts that loss terms encode beside the corpus's own, each once."""
    found: dict[str, None] = {}
    for stage in recipe.stages:
        for name, term in TERMS.items():
            options = getattr(stage.loss, name)
            if options.weight:
                found.update(dict.fromkeys(term.texts(options)))
    return list(found)


def _check_options(family: type[Encoder], options: Mapping[str, object]) -> None:
    try:
        read_table(family.Options, options)
    except Wrong as error:
        raise RecipeError(f"[encoder] of kind '{family.kind}': {error}", hint=error.hint) from error


def _continued(recipe: Recipe) -> InitialModel:
    trained = CIRModel.load(recipe.init)
    _check_encoder(recipe, trained)
    same = recipe.fusion.get("name", trained.fusion_name) == trained.fusion_name
    inherited = {"name": trained.fusion_name, **trained.fusion_options} if same else {}
    options = inherited | recipe.fusion
    torch.manual_seed(recipe.seed)  # loading drew numbers
    try:
        model = _with_fusion(trained.encoder, recipe, options)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the fusion can't be built from [fusion]: {error}",
            hint="Correct [fusion]: docs/fusion.md lists the fusions and their options.",
        ) from error
    origin = [f"encoder from {recipe.init}"]
    if "fusion" in recipe.reinit:
        origin.append(f"{_random_fusion(model)}, by reinit")
    else:
        _check_weights(recipe, model.fusion, trained.fusion)
        model.fusion.load_state_dict(trained.fusion.state_dict(), strict=True)
        origin.append(f"fusion {model.fusion_name} from {recipe.init}")
    return InitialModel(model.train(), tuple(origin))


def _random_fusion(model: CIRModel) -> str:
    weights = any(True for _ in model.fusion.parameters())
    return f"fusion {model.fusion_name}: {'random weights' if weights else 'it has no weights'}"


def _check_encoder(recipe: Recipe, trained: CIRModel) -> None:
    has = {"kind": trained.encoder.kind, **trained.encoder.settings}
    for key, wanted in recipe.encoder.items():
        if _as_json(has.get(key)) != _as_json(wanted):
            raise RecipeError(
                f"[encoder] says {key} = {wanted}, and the encoder of init = {recipe.init} has "
                f"{has.get(key)}",
                hint="Leave [encoder] out: training continues with the encoder of init.",
            )


def _check_weights(recipe: Recipe, new: nn.Module, trained: nn.Module) -> None:
    """RecipeError if the weights of ``init`` are not, by name and shape, what [fusion] needs."""
    wanted, there = _shapes(new.state_dict()), _shapes(trained.state_dict())
    apart = [name for name in (*wanted, *there) if wanted.get(name) != there.get(name)]
    if apart:
        name = apart[0]
        raise RecipeError(
            f"[fusion] needs other weights than init = {recipe.init} has: {name} is "
            f"{wanted.get(name, 'not there')}, and {there.get(name, 'not there')} in init",
            hint="Leave [fusion] out to continue with the fusion of init, or set reinit = "
            '["fusion"] to start the fusion from random weights.',
        )


def _shapes(weights: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in weights.items()}


def _with_fusion(encoder: Encoder, recipe: Recipe, fusion: Mapping[str, object]) -> CIRModel:
    options = dict(fusion)
    name = str(options.pop("name", DEFAULT_FUSION))
    return CIRModel(encoder, preprocess_of(recipe), fusion=name, options=options)


def weights_digest(init: str) -> str:
    """A digest of the weights that a run starts from. ModelError: there is no such model."""
    folder = model_folder(init)
    digest = hashlib.sha256()
    files = [folder / REST, *(folder / name for name in GRAPHS)]
    if (folder / WEIGHTS).exists() or not files[0].exists():
        files = [folder / WEIGHTS]
    try:
        for path in files:
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except OSError as error:
        raise ModelError(
            f"init = {init} holds no trained model: {error.strerror} ({error.filename})",
            hint='Give a folder written by training, for example runs/mine/model, or "bundled".',
        ) from error
    return digest.hexdigest()[:16]


def preprocess_of(recipe: Recipe, size: int = 0, margin: float = 1.0) -> Preprocess:
    """The recipe's preprocessing, for an input of ``size`` pixels (0: the recipe's) enlarged
    ``margin`` times, to leave room for crops."""
    said = _encoder_of(recipe.init) or recipe.encoder
    mean, std = encoder_family(recipe).channels(said)
    return Preprocess(
        size=round((size or recipe.size) * margin),
        padding=recipe.padding,
        fill=recipe.fill,
        mean=mean,
        std=std,
    )


def encoder_family(recipe: Recipe) -> type[Encoder]:
    """The encoder class that a recipe names. RecipeError: there is none of that name."""
    kind = recipe.encoder.get("kind") or _encoder_of(recipe.init).get("kind") or DEFAULT_ENCODER
    if kind not in ENCODERS:
        raise RecipeError(f"no encoder is called '{kind}'", hint=f"Known: {', '.join(ENCODERS)}.")
    return ENCODERS[kind]


def _encoder_of(init: str) -> dict[str, Any]:
    """The encoder's settings in a trained model's folder; none if nothing can be read there."""
    if not init:
        return {}
    try:
        text = (model_folder(init) / "training.json").read_text(encoding="utf-8")
        return dict(json_of(text)["encoder"])
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # loading the model says what is wrong


def _as_json(value: object) -> object:
    """The value after a round trip through JSON, which turns tuples into lists."""
    return json.loads(json.dumps(value))
