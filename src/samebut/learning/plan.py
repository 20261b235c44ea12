"""What a run is going to do, read and checked whole before anything is trained."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from samebut.data.benchmark import Benchmark
from samebut.errors import ModelError, RecipeError
from samebut.learning import captions, processes
from samebut.learning.contrast import Fuse, Tune
from samebut.learning.corpus import Corpus, read_corpus, source_of
from samebut.learning.encoders import Encoder
from samebut.learning.features import megabytes, regions_of, require_room
from samebut.learning.model import ENCODERS, CIRModel
from samebut.learning.recipe import Recipe, Stage
from samebut.learning.tasks import Align, Compose, Task
from samebut.learning.validation import metric_of
from samebut.preprocess import Preprocess
from samebut.runtime import model_folder

TASKS: dict[str, Callable[[Corpus, Stage, Recipe], Task]] = {
    "align": Align,
    "tune": Tune,
    "fuse": Fuse,
    "compose": Compose,
}

# Keys of a stage that some tasks don't read; said to those, a key is refused, not ignored.
READ_BY: dict[str, tuple[str, ...]] = {
    "captions": ("align", "compose"),
    "attributes": ("align", "compose"),
    "columns": ("align", "compose"),
    "prototypes": ("align", "compose"),
    "stay": ("align", "compose"),
    "size": ("align", "compose"),
    "fresh": ("compose",),
    "similar": ("compose",),
    "similar_in": ("compose",),
    "wrong": ("compose",),
    "scale": ("tune", "fuse"),
    "symmetric": ("tune", "fuse"),
    "smoothing": ("tune", "fuse"),
    "hardness": ("tune", "fuse"),
    "positive_weight": ("tune", "fuse"),
    "references": ("tune", "fuse"),
    "negatives": ("tune", "fuse"),
    "mine_every": ("tune", "fuse"),
    "mine_from": ("tune", "fuse"),
    "encoder": ("tune",),
    "fusion": ("tune",),
    "frozen_norms": ("tune",),
    "checkpointing": ("tune",),
    "views": ("fuse",),
}
BYTES_A_PIXEL = 3
BYTES_A_FEATURE = 2


@dataclass(frozen=True)
class StagePlan:
    """One stage: what it learns from, its task, and how many steps an epoch has."""

    stage: Stage
    corpus: Corpus
    task: Task
    steps: int


@dataclass(frozen=True)
class Plan:
    """A run: ``vocabulary`` is the corpus whose words a tokenizer is trained on, ``metric`` the
    score that epochs are compared by, ``data`` the names of the folders."""

    recipe: Recipe
    stages: tuple[StagePlan, ...]
    vocabulary: Corpus
    validation: Benchmark
    metric: str
    cache: Path
    data: tuple[str, ...]


def make_plan(recipe: Recipe, data: Mapping[str, Path], cache: Path) -> Plan:
    """Read all data and check every stage. Raises before anything is written.

    DataError: a split or picture is missing, or a query names an unknown one. RecipeError: a stage
    can't run as written, has less than a batch, or the disk is too small.
    """
    sources = {name: source_of(name, root, _said(recipe, name)) for name, root in data.items()}
    _check_names(recipe, data)
    validation = next(iter(sources.values())).validation()
    validation.require_images()
    metric = metric_of(validation, recipe.metric)
    read: dict[tuple[str, ...], Corpus] = {}
    sized: dict[tuple[tuple[str, ...], int], Corpus] = {}  # stages of one size share their pictures

    def corpus_of(names: Sequence[str], size: int) -> Corpus:
        names, size = tuple(names or sources), size or recipe.size
        large = preprocess_of(recipe, size, recipe.margin)
        if names not in read:
            chosen = {name: sources[name] for name in names}
            read[names] = read_corpus(chosen, large, cache, recipe.fresh, recipe.most)
        return sized.setdefault((names, size), replace(read[names], preprocess=large))

    stages = tuple(
        _stage_plan(number, stage, corpus_of(stage.data, stage.size), recipe)
        for number, stage in enumerate(recipe.stages, start=1)
    )
    vocabulary = corpus_of(recipe.tokenizer_data, recipe.stages[0].size)
    plan = Plan(recipe, stages, vocabulary, validation, metric, cache, tuple(data))
    needed = decoded_size(plan)
    require_room(_existing(cache), needed, "decoded pictures")
    return plan


def new_model(recipe: Recipe, corpus: Corpus) -> CIRModel:
    """The recipe's encoder, a tokenizer trained on the corpus's own words if it needs one, and its
    fusion; with ``init``, the encoder of that model. RecipeError: something in [encoder] or
    [fusion] is not as it should be, or not as in ``init``. ModelError: ``init`` can't be read."""
    torch.manual_seed(recipe.seed)
    if recipe.init:
        return _continued(recipe)
    settings = dict(recipe.encoder)
    family = _encoder_family(recipe)
    settings.pop("kind", None)
    described = [row for row in corpus.rows if captions.title(row)]
    texts = [*captions.words(described), *(text for q in corpus.queries for text in q.texts)]
    try:
        return _composing(family.create(settings, texts), recipe)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the model can't be built from [encoder] and [fusion]: {error}",
            hint="See docs/training.md and docs/fusion.md for what they may hold.",
        ) from error


def _composing(encoder: Encoder, recipe: Recipe) -> CIRModel:
    options = dict(recipe.fusion)
    name = options.pop("name", "")
    return CIRModel(encoder, preprocess_of(recipe), fusion=name, options=options)


def _continued(recipe: Recipe) -> CIRModel:
    """A model with the encoder that ``init`` has, and its fusion if the recipe has the same."""
    trained = CIRModel.load(recipe.init)
    has = {"kind": trained.encoder.kind, **trained.encoder.settings}
    for key, wanted in {"kind": "small", **recipe.encoder}.items():
        if _as_json(has.get(key)) != _as_json(wanted):
            raise RecipeError(
                f"the recipe's encoder has {key} = {wanted}, that of {recipe.init} {has.get(key)}",
                hint="Leave out of [encoder] what is not to be checked, but its kind.",
            )
    torch.manual_seed(recipe.seed)  # loading drew numbers
    try:
        model = _composing(trained.encoder, recipe)
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"the fusion can't be built from [fusion]: {error}", hint="See docs/fusion.md."
        ) from error
    if _as_json(trained.fusion_options | {"name": trained.fusion_name}) == _as_json(recipe.fusion):
        model.fusion.load_state_dict(trained.fusion.state_dict(), strict=True)
    return model.train()


def weights_digest(init: str) -> str:
    """A digest of the weights that a run starts from. ModelError: there are none."""
    try:
        with (model_folder(init) / "weights.safetensors").open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()[:16]
    except OSError as error:
        raise ModelError(
            f"init = {init} holds no trained model: {error.strerror} ({error.filename})",
            hint='Give a folder written by training, for example runs/mine/model, or "bundled".',
        ) from error


def _as_json(value: object) -> object:
    """The same where a tuple has become a list."""
    return json.loads(json.dumps(value))


def preprocess_of(recipe: Recipe, size: int = 0, margin: float = 1.0) -> Preprocess:
    """The recipe's preprocessing, for an input of ``size`` (0: the recipe's) and a margin beyond:
    pictures ``margin`` times as large."""
    family = _encoder_family(recipe)
    return Preprocess(
        size=round((size or recipe.size) * margin),
        padding=recipe.padding,
        fill=recipe.fill,
        mean=family.mean,
        std=family.std,
    )


def decoded_size(plan: Plan) -> int:
    """How many bytes of decoded pictures are still to be written, about."""
    decoded, scored = {}, {}
    for each in plan.stages:
        if not isinstance(each.task, Fuse):
            files, side = each.corpus.files, each.corpus.preprocess.size
            decoded[files, side] = len(files) * side * side
            size = each.stage.size or plan.recipe.size
            scored[size] = len(plan.validation.images) * size * size
    wanted = BYTES_A_PIXEL * (sum(decoded.values()) + sum(scored.values()))
    there = sum(file.stat().st_size for file in plan.cache.glob("pictures-*.npy"))
    return max(0, wanted - there)


def features_size(planned: StagePlan, model: CIRModel) -> int:
    """How many bytes the cached features of a stage's pictures have."""
    corpus, rows = planned.corpus, len(planned.corpus.files)
    if model.fusion.reads_tokens:
        references = {query.reference for query in corpus.queries}
        rows += len(references) * regions_of(model.encoder, model.preprocess.size)
    return rows * planned.stage.views * model.encoder.dim * BYTES_A_FEATURE


def described(plan: Plan, model: CIRModel) -> list[str]:
    """The plan in lines for people."""
    recipe, validation = plan.recipe, plan.validation
    lines = [
        f"recipe     {recipe.name}, seed {recipe.seed}, pictures of {recipe.size} pixels",
        f"encoder    {model.encoder.kind}, D = {model.encoder.dim}, "
        f"{_parameters(model.encoder):,} parameters",
        f"fusion     {model.fusion_name}, {_parameters(model.fusion):,} parameters",
        f"validation {validation.label}: {len(validation.images):,} pictures, "
        f"{len(validation.queries):,} queries; epochs are compared by {plan.metric}",
    ]
    for number, each in enumerate(plan.stages, start=1):
        stage, files = each.stage, len(each.corpus.files)
        lines.append(
            f"stage {number}    {stage.task}: {files:,} pictures, {len(each.corpus.queries):,} "
            f"queries; {stage.epochs:,} epochs of {each.steps:,} steps of {stage.batch:,}"
            + (f" x {stage.accumulate}" if stage.accumulate > 1 else "")
            + (f"; {stage.runs} runs" if stage.runs > 1 else "")
            + (f"; {stage.mix:g} of it goes on, with {_rest(stage)}" if stage.mix < 1 else "")
        )
        if isinstance(each.task, Fuse):
            lines.append(f"           features cached: {megabytes(features_size(each, model))}")
    lines.append(f"decoded    {megabytes(decoded_size(plan))} to write in {plan.cache}")
    return lines


def _rest(stage: Stage) -> str:
    """What a stage's weights are mixed with, for people."""
    share = f"{1 - stage.mix:.4g}"
    if stage.mix_with < 0:
        return f"{share} of what it began with"
    if stage.mix_with == 0:
        return f"{share} of what the run began with"
    return f"{share} of what stage {stage.mix_with} handed on"


def _said(recipe: Recipe, name: str) -> dict[str, str]:
    said = recipe.sources.get(name, {})
    if not isinstance(said, dict):
        raise RecipeError(f"sources.{name} is no table", hint=f"Write it as [sources.{name}].")
    return said


def _check_names(recipe: Recipe, data: Mapping[str, Path]) -> None:
    if not data:
        raise RecipeError("there is nothing to learn from", hint="Give --data FOLDER.")
    for name, most in recipe.most.items():
        if not isinstance(most, int) or isinstance(most, bool) or most < 1:
            raise RecipeError(f"most.{name} is {most!r}", hint="It has to be a number of queries.")
    asked = [*recipe.tokenizer_data, *recipe.fresh, *recipe.most]
    for stage in recipe.stages:
        asked += [*stage.data, *stage.similar_in, *stage.stay]
    missing = [name for name in asked if name not in data]
    if missing:
        raise RecipeError(
            f"the recipe learns from '{missing[0]}', given are {', '.join(data)}",
            hint=f"Add --data {missing[0]}=FOLDER.",
        )


def _stage_plan(number: int, stage: Stage, corpus: Corpus, recipe: Recipe) -> StagePlan:
    where = f"stage {number}, {stage.task}"
    if stage.task not in TASKS:
        raise RecipeError(f"no task is called '{stage.task}'", hint=f"Known: {', '.join(TASKS)}.")
    unsaid = Stage(stage.task, stage.epochs, stage.batch, stage.lr)
    for key, tasks in READ_BY.items():
        if stage.task not in tasks and getattr(stage, key) != getattr(unsaid, key):
            raise RecipeError(
                f"{where}: '{key}' says nothing to it", hint=f"It is read by: {', '.join(tasks)}."
            )
    if stage.mix_with != unsaid.mix_with and (stage.mix_with >= number or stage.mix == 1):
        raise RecipeError(
            f"{where}: mix_with is {stage.mix_with} and mix {stage.mix}",
            hint="Give the number of an earlier stage, or 0 for what the run began with, and a "
            "mix below 1.",
        )
    captioned = stage.captions or (stage.task == "align" and not stage.attributes)
    if captioned and not corpus.described:
        raise RecipeError(
            f"{where}: captions need a catalog.csv with a title for every picture",
            hint="Add one to the data folder, or leave captions out.",
        )
    if stage.batch % processes.count():
        raise RecipeError(
            f"{where}: a batch of {stage.batch} can't be shared by {processes.count()} processes",
            hint=f"Make batch a multiple of {processes.count()}.",
        )
    task = TASKS[stage.task](corpus, stage, recipe)
    batches = sum(1 for _ in task.batches(random.Random(0)))
    steps = batches // stage.accumulate
    if not steps:
        one = "one batch" if stage.accumulate == 1 else f"{stage.accumulate} batches"
        raise RecipeError(
            f"{where}: {len(corpus.queries):,} queries and {len(corpus.files):,} pictures are "
            f"less than {one} of {stage.batch:,}",
            hint="Make batch smaller.",
        )
    return StagePlan(stage, corpus, task, steps)


def _encoder_family(recipe: Recipe) -> type[Encoder]:
    kind = recipe.encoder.get("kind", "small")
    if kind not in ENCODERS:
        raise RecipeError(f"no encoder is called '{kind}'", hint=f"Known: {', '.join(ENCODERS)}.")
    return ENCODERS[kind]


def _parameters(module: object) -> int:
    return sum(p.numel() for p in module.parameters())  # type: ignore[attr-defined]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
