"""The plan of a run: all data is read and every stage checked before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from samebut.data.benchmark import Benchmark
from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.data.backdrops import chosen_backdrops
from samebut.learning.data.corpus import Corpus, SourceSettings, read_corpus, source_of
from samebut.learning.data.encoding import EncodingRules, is_batch_norm, possible_references
from samebut.learning.data.feature_cache import regions_of
from samebut.learning.data.sampler import Sampler
from samebut.learning.disk import megabytes, require_room
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective import TERMS
from samebut.learning.recipe.schema import Recipe, Stage
from samebut.learning.run.initial_model import InitialModel, preprocess_of
from samebut.learning.run.validation import metric_of

BYTES_A_PIXEL = 3
BYTES_A_FEATURE = 2


@dataclass(frozen=True)
class StagePlan:
    """One stage: what it learns from, how it encodes, and its batches."""

    stage: Stage
    corpus: Corpus
    rules: EncodingRules
    sampler: Sampler

    @property
    def steps(self) -> int:
        """Steps in an epoch."""
        return self.sampler.steps


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
    _check_names(recipe, data)
    settings = {name: recipe.sources.get(name, SourceSettings()) for name in data}
    sources = {name: source_of(name, root, settings[name]) for name, root in data.items()}
    validation = next(iter(sources.values())).validation()
    validation.require_images()
    metric = metric_of(validation, recipe.metric)
    backdrops = chosen_backdrops(
        [
            file
            for name in recipe.augment.backdrop_folders
            for file in sources[name].train_split[0].values()
        ]
    )
    read: dict[tuple[str, ...], Corpus] = {}
    sized: dict[tuple[tuple[str, ...], int], Corpus] = {}  # stages of one size share their pictures

    def corpus_of(names: Sequence[str], size: int) -> Corpus:
        names, size = tuple(names or sources), size or recipe.size
        large = preprocess_of(recipe, size, recipe.margin)
        if names not in read:
            chosen = {name: sources[name] for name in names}
            corpus = read_corpus(chosen, large, cache, settings)
            read[names] = replace(corpus, backdrop_files=backdrops)
        return sized.setdefault((names, size), replace(read[names], preprocess=large))

    stages = tuple(
        _stage_plan(number, stage, corpus_of(stage.queries.data, stage.size), recipe)
        for number, stage in enumerate(recipe.stages, start=1)
    )
    vocabulary = corpus_of((), recipe.stages[0].size)
    plan = Plan(recipe, stages, vocabulary, validation, metric, cache, tuple(data))
    require_room(_existing(cache), decoded_size(plan), "decoded pictures")
    return plan


def _check_names(recipe: Recipe, data: Mapping[str, Path]) -> None:
    if not data:
        raise RecipeError("there is no data to train on", hint="Give --data NAME=FOLDER.")
    asked = [*recipe.sources, *recipe.augment.backdrop_folders]
    for stage in recipe.stages:
        asked += stage.queries.data
    missing = [name for name in asked if name not in data]
    if missing:
        raise RecipeError(
            f"the recipe names the data folder '{missing[0]}', which was not given; given: "
            f"{', '.join(data)}",
            hint=f"Add --data {missing[0]}=FOLDER.",
        )


def _stage_plan(number: int, stage: Stage, corpus: Corpus, recipe: Recipe) -> StagePlan:
    where = f"stage {number}" + (f" ({stage.preset})" if stage.preset else "")
    try:
        for name, term in TERMS.items():
            options = getattr(stage.loss, name)
            if options.weight:
                term.check(options, corpus)
        sampler = Sampler(corpus, stage.queries, composes=stage.has_queries)
        _check_queries(stage, sampler)
    except RecipeError as error:
        raise RecipeError(f"{where}: {error}", hint=error.hint) from error
    return StagePlan(stage, corpus, rules_of(stage, recipe), sampler)


def rules_of(stage: Stage, recipe: Recipe) -> EncodingRules:
    """How a stage encodes pictures and texts."""
    return EncodingRules(
        trains=stage.trains,
        cached=stage.features == "cached",
        resampled=stage.queries.resampled > 0,
        size=stage.size or recipe.size,
        views=stage.queries.views,
        frozen_norms=stage.frozen_norms,
        recompute=stage.recompute,
        bf16=recipe.precision == "bf16",
        augment=recipe.augment,
        seed=recipe.seed,
    )


def _check_queries(stage: Stage, sampler: Sampler) -> None:
    """RecipeError if the corpus can't fill the batches that a stage asks for."""
    queries, corpus = stage.queries, sampler.corpus
    if queries.batch % distributed.count():
        raise RecipeError(
            f"queries.batch = {queries.batch} can't be shared by {distributed.count()} processes",
            hint=f"Make batch a multiple of {distributed.count()}.",
        )
    if not sampler.steps:
        what = "queries" if stage.has_queries else "pictures"
        raise RecipeError(
            f"there are {sampler.size:,} {what}, fewer than one step needs ({queries.accumulate} x "
            f"{queries.batch:,})",
            hint="Make queries.batch smaller, or give --set stages.N.queries.batch=SIZE.",
        )
    if queries.resampled:
        _check_resampled(corpus)
    subsets = any(len(part.table.wrong.flat) for part in corpus.parts)
    for key, asked in (
        ("hard_negatives", queries.hard_negatives > 0 and not queries.resampled),
        ("cluster_size", queries.cluster_size > 1),
    ):
        if asked and not subsets:
            raise RecipeError(
                f"queries.{key} needs hard subsets, and no query of the data has one",
                hint=f"Give queries a subset, as samebut triplets does, or leave {key} out.",
            )
    if queries.mined.count:
        _check_mined(sampler)


def _check_resampled(corpus: Corpus) -> None:
    catalogues = {part.name: part.catalogue for part in corpus.parts if part.catalogue}
    if not catalogues:
        raise RecipeError(
            "queries.resampled draws queries from a catalogue, and no rules for it are given",
            hint="Add [sources.NAME.resampling] with attributes for a NAME of --data.",
        )
    for name, catalogue in catalogues.items():
        if not catalogue.references:
            raise RecipeError(
                f"[sources.{name}.resampling] gives no query at all from the folder's catalog.csv",
                hint="Run `samebut triplets` with the same rules: it reports why.",
            )


def _check_mined(sampler: Sampler) -> None:
    mined, pictures = sampler.queries.mined, len(sampler.corpus.files)
    left = pictures - 1 - max(len(query.targets) for query in sampler.corpus.queries)
    if mined.count > left:
        raise RecipeError(
            f"queries.mined.count = {mined.count}, and a query has only {left:,} wrong pictures "
            f"among {pictures:,}",
            hint="Make queries.mined.count smaller.",
        )
    if sampler.varies and mined.every > 1:
        raise RecipeError(
            f"queries.mined.every = {mined.every}, but with queries_per_epoch of [sources] every "
            "epoch has other queries, whose negatives have to be mined anew",
            hint="Set mined.every = 1, or leave queries_per_epoch out.",
        )


def check_model(plan: Plan, model: CIRModel) -> None:
    """RecipeError if a stage can't train this model."""
    for number, each in enumerate(plan.stages, start=1):
        stage = each.stage
        try:
            for name, term in TERMS.items():
                options = getattr(stage.loss, name)
                if options.weight:
                    term.check_model(options, model, each.rules)
        except RecipeError as error:
            raise RecipeError(f"stage {number}: {error}", hint=error.hint) from error
        if stage.trains == "fusion" and not any(True for _ in model.fusion.parameters()):
            raise RecipeError(
                f"stage {number}: the fusion '{model.fusion_name}' has no weights to train",
                hint="Leave the stage out, or choose a fusion with weights.",
            )
        norms = any(is_batch_norm(module) for module in model.encoder.modules())
        if stage.recompute and norms and not stage.frozen_norms:
            raise RecipeError(
                f"stage {number}: recompute encodes every picture twice, and trainable batch norms "
                "would count it twice",
                hint="Set frozen_norms = true in the stage, or recompute = false.",
            )


def decoded_size(plan: Plan) -> int:
    """About how many bytes of decoded pictures are not written yet."""
    decoded, scored = {}, {}
    for each in plan.stages:
        if not each.rules.caches("image"):
            files, side = each.corpus.files, each.corpus.preprocess.size
            decoded[files, side] = len(files) * side * side
            size = each.rules.size
            scored[size] = len(plan.validation.images) * size * size
    wanted = BYTES_A_PIXEL * (sum(decoded.values()) + sum(scored.values()))
    if plan.recipe.augment.backdrops:
        wanted += sum(decoded.values())  # cut-outs: a byte a pixel
        backdrops = len(plan.vocabulary.backdrop_files)
        sides = {side for _, side in decoded}
        wanted += BYTES_A_PIXEL * sum(backdrops * side * side for side in sides)
    there = sum(
        file.stat().st_size
        for kept in ("pictures-*.npy", "cutouts*.npy")
        for file in plan.cache.glob(kept)
    )
    return max(0, wanted - there)


def features_size(planned: StagePlan, model: CIRModel) -> int:
    """How many bytes the cached features of a stage's pictures have."""
    rows = len(planned.corpus.files)
    if model.fusion.reads_tokens:
        given = planned.sampler.given
        references = possible_references(planned.corpus, given, planned.rules)
        rows += len(references) * regions_of(model.encoder, model.preprocess.size)
    return rows * planned.rules.views * model.encoder.trunk_dim * BYTES_A_FEATURE


def described(plan: Plan, initial: InitialModel) -> list[str]:
    """The plan in lines for people."""
    recipe, validation, model = plan.recipe, plan.validation, initial.model
    lines = [
        f"recipe     {recipe.name}, seed {recipe.seed}, pictures of {recipe.size} pixels",
        f"encoder    {model.encoder.kind}, D = {model.encoder.dim}, "
        f"{_parameters(model.encoder):,} parameters",
        f"fusion     {model.fusion_name}, {_parameters(model.fusion):,} parameters",
        *(f"weights    {line}" for line in initial.origin),
        f"validation {validation.label}: {len(validation.images):,} pictures, "
        f"{len(validation.queries):,} queries; epochs are compared by {plan.metric}",
    ]
    for number, each in enumerate(plan.stages, start=1):
        lines += _stage_described(number, each, model)
    lines.append(f"decoded    {megabytes(decoded_size(plan))} to write in {plan.cache}")
    return lines


def _stage_described(number: int, each: StagePlan, model: CIRModel) -> list[str]:
    stage, queries, handoff = each.stage, each.stage.queries, each.stage.handoff
    what = f"{stage.preset}: " if stage.preset else ""
    lines = [
        f"stage {number}    {what}trains {stage.trains}; {len(each.corpus.files):,} pictures"
        + (f", {each.sampler.size:,} queries" if stage.has_queries else "")
        + f"; {queries.epochs:,} epochs of {each.steps:,} steps of {queries.batch:,}"
        + (f" x {queries.accumulate}" if queries.accumulate > 1 else "")
    ]
    if each.rules.caches("image"):
        lines.append(f"           features cached: {megabytes(features_size(each, model))}")
    if handoff.interpolate < 1:
        lines.append(
            f"           hands on {handoff.interpolate:g} of its weights and "
            f"{1 - handoff.interpolate:.4g} of those it began with"
        )
    return lines


def _parameters(module: object) -> int:
    return sum(p.numel() for p in module.parameters())  # type: ignore[attr-defined]


def _existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
