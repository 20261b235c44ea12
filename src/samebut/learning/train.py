"""Training: one loop, whose stages differ in their task alone.

    python -m samebut.learning.train recipes/bundled.toml --data [NAME=]FOLDER ... --out RUN

A data folder has ``images/``, ``catalog.csv`` and ``train.jsonl`` (``samebut.data.triplets``); the
first also has ``val.jsonl``, on which every epoch is scored. Recipes call it by NAME, or by the
folder's own. The same command resumes: an epoch that was finished is never run again, and all
chance is drawn from (seed, stage, epoch), so a killed run ends as an undisturbed one.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.errors import RecipeError, SamebutError
from samebut.evaluate import score_embeddings
from samebut.learning import captions
from samebut.learning.card import Card
from samebut.learning.corpus import Corpus, read_corpus
from samebut.learning.encoders import Features
from samebut.learning.model import ENCODERS, CIRModel, unit
from samebut.learning.pictures import decode_all, to_pixels
from samebut.learning.recipe import Recipe, Stage, read_recipe
from samebut.learning.runs import Average, Checkpoint, say
from samebut.learning.tasks import TASKS, Learner
from samebut.preprocess import Preprocess


def train(recipe: Recipe, data: Mapping[str, Path], out: Path) -> Path:
    """Run every stage of ``recipe`` on folders ``data``; the trained model is ``out/model``."""
    out.mkdir(parents=True, exist_ok=True)
    _keep_recipe(recipe, data, out)
    if (out / "model" / "training.json").exists():
        say(f"{out} is trained already")
        return out / "model"
    validation = triplets.read(next(iter(data.values())), "val")
    validation.require_images()

    def corpus_of(names: Sequence[str]) -> Corpus:
        large = _preprocess(recipe, round(recipe.size * recipe.margin))
        return read_corpus(_named(data, names), large, out / "cache")

    model = new_model(recipe, corpus_of(recipe.tokenizer_data))
    for number, stage in enumerate(recipe.stages, start=1):
        corpus = corpus_of(stage.data)
        say(f"stage {number}: {len(corpus.rows):,} pictures, {len(corpus.queries):,} queries")
        model = run_stage(model, stage, recipe, corpus, validation, out / f"stage{number}")
    model.save(out / "model", name=recipe.name, card=_card(recipe, data, out))
    return out / "model"


def _card(recipe: Recipe, data: Mapping[str, Path], out: Path) -> Card:
    """What the run knows for the model card; its licence is for whoever publishes it to say."""
    learned = [name for name in data if any(name in (s.data or data) for s in recipe.stages)]
    progress = out / f"stage{len(recipe.stages)}" / "progress.json"
    last = json.loads(progress.read_text())["history"][-1]
    scores = {key: value for key, value in last.items() if "@" in key}
    said = json.dumps(recipe.as_dict(), indent=2, ensure_ascii=False)
    return Card(
        training_data=f"Train splits of {', '.join(learned)}; scored on val of {next(iter(data))}.",
        recipe=f"```json\n{said}\n```",
        metrics=scores,
    )


def _named(data: Mapping[str, Path], names: Sequence[str]) -> list[Path]:
    """The folders a recipe names, all of them if it names none."""
    missing = [name for name in names if name not in data]
    if missing:
        raise RecipeError(
            f"the recipe learns from '{missing[0]}', given are {', '.join(data)}",
            hint=f"Add {missing[0]}=FOLDER to --data.",
        )
    return [data[name] for name in names or data]


def new_model(recipe: Recipe, corpus: Corpus) -> CIRModel:
    """The recipe's encoder, its tokenizer trained on the corpus's own words, and its fusion."""
    torch.manual_seed(recipe.seed)
    settings = dict(recipe.encoder)
    kind = settings.pop("kind", "small")
    if kind not in ENCODERS:
        raise RecipeError(f"no encoder is called '{kind}'", hint=f"Known: {', '.join(ENCODERS)}.")
    texts = [*captions.words(corpus.rows), *(query.text for query in corpus.queries)]
    encoder = ENCODERS[kind].create(settings, texts)
    options = dict(recipe.fusion)
    name = options.pop("name")
    return CIRModel(encoder, _preprocess(recipe, recipe.size), fusion=name, options=options)


def run_stage(
    model: CIRModel,
    stage: Stage,
    recipe: Recipe,
    corpus: Corpus,
    validation: Benchmark,
    folder: Path,
) -> CIRModel:
    """Train ``model`` as ``stage`` says, from its last finished epoch on; returns the average."""
    if stage.task not in TASKS:
        raise RecipeError(f"no task is called '{stage.task}'", hint=f"Known: {', '.join(TASKS)}.")
    task = TASKS[stage.task](corpus, stage, recipe)
    steps = sum(1 for _ in task.batches(random.Random(0)))
    if not steps:
        raise RecipeError(f"{stage.task}: there is less than one batch of {stage.batch}")
    learner = Learner(model, stage.temperature)
    average = Average(model, recipe.ema)
    optimizer = make_optimizer(learner, stage)
    checkpoint = Checkpoint(folder, learner, average, optimizer)
    for epoch in range(checkpoint.load(), stage.epochs):
        started = time.monotonic()
        dice = random.Random(f"{recipe.seed} {folder.name} {epoch}")
        torch.manual_seed(dice.getrandbits(48))
        total = 0.0
        learner.train()
        for step, batch in enumerate(task.batches(dice), start=epoch * steps):
            rate = learning_rate(step, steps * (stage.decay_epochs or stage.epochs), stage)
            total += take_step(learner, optimizer, rate, task.loss(learner, batch))
            average.update(learner.model, step)
        seconds = time.monotonic() - started
        scores = validate(average.model, validation, folder.parent / "cache")
        checkpoint.save(epoch + 1, {"loss": total / steps, "seconds": seconds, **scores})
    return average.model


def make_optimizer(learner: Learner, stage: Stage) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms, the temperature) do not decay."""
    parameters = list(learner.parameters())
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=stage.lr, betas=(0.9, 0.98))


def learning_rate(step: int, steps: int, stage: Stage) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    warm = max(1, int(stage.warmup * steps))
    if step < warm:
        return stage.lr * (step + 1) / warm
    return stage.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def take_step(learner: Learner, optimizer: torch.optim.AdamW, rate: float, loss: Tensor) -> float:
    """One update; returns the loss. RecipeError at a loss that is not a number."""
    value = float(loss.detach())
    if not math.isfinite(value):
        raise RecipeError(f"the loss became {value}", hint="Lower the stage's lr and run it again.")
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()
    return value


@torch.inference_mode()
def validate(model: CIRModel, benchmark: Benchmark, cache: Path) -> dict[str, float]:
    """Scores of composed queries on a benchmark, in percent."""
    model.eval()
    names = list(benchmark.images)
    place = {name: row for row, name in enumerate(names)}
    pictures = decode_all([benchmark.images[n] for n in names], model.preprocess, cache)
    chunks = [
        model.encoder.images(to_pixels(pictures[start : start + 256], model.preprocess))
        for start in range(0, len(pictures), 256)
    ]
    images = Features(
        *(torch.cat([getattr(c, f) for c in chunks]) for f in ("pooled", "tokens", "mask"))
    )
    composed = []
    for start in range(0, len(benchmark.queries), 512):
        queries = benchmark.queries[start : start + 512]
        references = torch.tensor([place[q.reference] for q in queries])
        texts = model.encoder.texts([" ".join(q.texts) for q in queries])
        composed.append(model.compose(images[references], texts))
    gallery = unit(images.pooled).numpy()
    return score_embeddings(benchmark, torch.cat(composed).numpy(), gallery)


def _preprocess(recipe: Recipe, size: int) -> Preprocess:
    encoder = ENCODERS[recipe.encoder.get("kind", "small")]
    return Preprocess(
        size=size,
        padding=recipe.padding,
        fill=recipe.fill,
        mean=encoder.mean,
        std=encoder.std,
    )


def _keep_recipe(recipe: Recipe, data: Mapping[str, Path], out: Path) -> None:
    """Write the resolved recipe, or refuse to mix two in one run folder."""
    said = json.dumps({"recipe": recipe.as_dict(), "data": list(data)}, indent=2)
    path = out / "recipe.json"
    if path.exists() and path.read_text() != said:
        raise RecipeError(
            f"{out} holds a run of another recipe or other data",
            hint="Give another --out, or remove that folder.",
        )
    path.write_text(said)


def _named_folder(argument: str) -> tuple[str, Path]:
    name, equals, folder = argument.partition("=")
    return (name, Path(folder)) if equals else (Path(argument).resolve().name, Path(argument))


def main() -> int:
    """The command line of this module; see its docstring."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--data", type=_named_folder, nargs="+", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    try:
        folder = train(read_recipe(arguments.recipe), dict(arguments.data), arguments.out)
    except SamebutError as error:
        say(f"error: {error} {error.hint}")
        return 1
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
