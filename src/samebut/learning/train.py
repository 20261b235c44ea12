"""Training: one loop, whose stages differ in their task alone.

    python -m samebut.learning.train recipes/bundled.toml --data [NAME=]FOLDER ... --out RUN

A data folder has ``images/``, ``catalog.csv`` and ``train.jsonl`` (``samebut.data.triplets``); the
first also has ``val.jsonl``, on which every epoch is scored. Recipes call it by NAME, or by the
folder's own. The same command resumes: an epoch that was finished is never run again, and all
chance is drawn from (seed, stage, epoch), so a killed run ends as an undisturbed one.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
import math
import random
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from samebut.data import triplets
from samebut.data.benchmark import Benchmark
from samebut.errors import DataError, RecipeError, SamebutError
from samebut.evaluate import score_embeddings
from samebut.learning import captions
from samebut.learning.encoders import Features
from samebut.learning.encoders.small import SmallConfig, SmallEncoder
from samebut.learning.losses import info_nce
from samebut.learning.model import CIRModel, unit
from samebut.learning.pictures import decode_all, to_pixels, vary
from samebut.learning.recipe import Recipe, Stage, read_recipe
from samebut.learning.tokenizer import train_tokenizer
from samebut.preprocess import Preprocess

MEAN, STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
MOST_QUERIES_OF_A_REFERENCE = 3  # in one batch: more would make the batch about one picture
LARGEST_SCALE = 100.0  # CLIP's clip of the learned temperature


@dataclass(frozen=True)
class Composed:
    """A training query; pictures are rows of the corpus."""

    reference: int
    text: str
    targets: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """What is learned from: pictures (N, M, M, 3), a catalogue row for each, and queries."""

    pictures: npt.NDArray[np.uint8]
    rows: tuple[captions.Row, ...]
    queries: tuple[Composed, ...]


class Learner(nn.Module):
    """The model and what is learned beside it and thrown away: the temperature."""

    def __init__(self, model: CIRModel, temperature: float) -> None:
        super().__init__()
        self.model = model
        self.log_scale = nn.Parameter(torch.tensor(math.log(1 / temperature)))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=LARGEST_SCALE)


class Task(Protocol):
    """What a stage does with a corpus."""

    def batches(self, dice: random.Random) -> Iterator[Any]: ...

    def loss(self, learner: Learner, batch: Any) -> Tensor: ...


class Align:
    """Pictures and captions into one space (Radford et al. 2021), equal attributes as positives."""

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        self.corpus, self.stage, self.recipe = corpus, stage, recipe
        names = [
            tuple(row.get(c, "") for c in ("article", "kind", "colour", "pattern", "gender"))
            for row in corpus.rows
        ]
        numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
        self.kinds = torch.tensor([numbers[name] for name in names])

    def batches(self, dice: random.Random) -> Iterator[tuple[list[int], list[str]]]:
        order = dice.sample(range(len(self.corpus.rows)), len(self.corpus.rows))
        for start in range(0, len(order) - self.stage.batch + 1, self.stage.batch):
            rows = order[start : start + self.stage.batch]
            yield rows, [captions.caption(self.corpus.rows[row], dice) for row in rows]

    def loss(self, learner: Learner, batch: tuple[list[int], list[str]]) -> Tensor:
        rows, texts = batch
        images = encode_views(learner.model, self.corpus, rows, self.recipe)
        return self.caption_loss(learner, images, rows, texts)

    def caption_loss(
        self, learner: Learner, images: Features, rows: Sequence[int], texts: list[str]
    ) -> Tensor:
        kinds = self.kinds[torch.tensor(rows)]
        same = kinds[:, None] == kinds[None, :]
        pictures, words = (
            unit(images.pooled),
            unit(encode_texts(learner.model, texts, self.recipe).pooled),
        )
        there = info_nce(pictures, words, same, scale=learner.scale)
        back = info_nce(words, pictures, same, scale=learner.scale)
        return (there + back) / 2


class Compose:
    """Queries to their targets, encoders and fusion together.

    Candidates are all pictures of the batch, references too; a query's own reference does not
    count. Queries of one reference come together, so each picture is encoded once and neighbours
    stand against each other as hard negatives.
    """

    def __init__(self, corpus: Corpus, stage: Stage, recipe: Recipe) -> None:
        self.corpus, self.stage, self.recipe = corpus, stage, recipe
        self.align = Align(corpus, stage, recipe)
        self.by_reference: dict[int, list[Composed]] = {}
        for query in corpus.queries:
            self.by_reference.setdefault(query.reference, []).append(query)

    def batches(self, dice: random.Random) -> Iterator[list[tuple[Composed, int]]]:
        groups = []
        for queries in self.by_reference.values():
            order = dice.sample(queries, len(queries))
            step = MOST_QUERIES_OF_A_REFERENCE
            groups += [order[start : start + step] for start in range(0, len(order), step)]
        dice.shuffle(groups)
        flat = [(query, dice.choice(query.targets)) for group in groups for query in group]
        for start in range(0, len(flat) - self.stage.batch + 1, self.stage.batch):
            yield flat[start : start + self.stage.batch]

    def loss(self, learner: Learner, batch: list[tuple[Composed, int]]) -> Tensor:
        rows = sorted({row for query, target in batch for row in (query.reference, target)})
        place = {row: number for number, row in enumerate(rows)}
        images = encode_views(learner.model, self.corpus, rows, self.recipe)
        texts = encode_texts(learner.model, [query.text for query, _ in batch], self.recipe)
        references = torch.tensor([place[query.reference] for query, _ in batch])
        queries = learner.model.compose(_float(images[references]), _float(texts))
        positives = torch.zeros(len(batch), len(rows), dtype=torch.bool)
        for number, (query, _) in enumerate(batch):
            positives[number, [place[row] for row in query.targets if row in place]] = True
        allowed = torch.ones_like(positives)
        allowed[torch.arange(len(batch)), references] = False
        loss = info_nce(
            queries, unit(images.pooled), positives, scale=learner.scale, allowed=allowed
        )
        if not self.stage.captions:
            return loss
        dice = random.Random(rows[0])
        said = [captions.caption(self.corpus.rows[row], dice) for row in rows]
        return loss + self.stage.captions * self.align.caption_loss(learner, images, rows, said)


TASKS: dict[str, Callable[[Corpus, Stage, Recipe], Task]] = {"align": Align, "compose": Compose}


def encode_views(model: CIRModel, corpus: Corpus, rows: Sequence[int], recipe: Recipe) -> Features:
    """Features of a random view of each picture, in the recipe's precision."""
    pixels = to_pixels(corpus.pictures[list(rows)], model.preprocess)
    views = vary(pixels, recipe.size, recipe.augment).to(memory_format=torch.channels_last)
    with precision(recipe):
        return model.encoder.images(views)


def encode_texts(model: CIRModel, texts: list[str], recipe: Recipe) -> Features:
    """Features of texts, in the recipe's precision."""
    with precision(recipe):
        return model.encoder.texts(texts)


def precision(recipe: Recipe) -> torch.autocast:
    """bf16 arithmetic for the encoders if the recipe says so; losses stay in fp32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=recipe.precision == "bf16")


def _float(features: Features) -> Features:
    return Features(features.pooled.float(), features.tokens.float(), features.mask)


class Average:
    """An exponential moving average of a model's weights and running statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).eval()
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        # A young average would be mostly the random start.
        decay = min(self.decay, (1 + step) / (10 + step))
        ours, theirs = self.model.state_dict(), model.state_dict()
        for name, value in ours.items():
            if value.dtype.is_floating_point:
                value.lerp_(theirs[name], 1 - decay)
            else:
                value.copy_(theirs[name])


def read_corpus(roots: Iterable[Path], preprocess: Preprocess, cache: Path) -> Corpus:
    """The train split of every root as one corpus; DataError if a query's picture is missing."""
    files: list[Path] = []
    rows: list[captions.Row] = []
    queries: list[Composed] = []
    for root in roots:
        benchmark = triplets.read(root, "train")
        benchmark.require_images()
        place = {name: len(files) + number for number, name in enumerate(benchmark.images)}
        files += benchmark.images.values()
        described = _catalogue(root)
        rows += [described[name] for name in benchmark.images]
        queries += [
            Composed(place[q.reference], " ".join(q.texts), tuple(place[t] for t in q.targets))
            for q in benchmark.queries
        ]
    return Corpus(decode_all(files, preprocess, cache), tuple(rows), tuple(queries))


def _catalogue(root: Path) -> dict[str, captions.Row]:
    path = root / "catalog.csv"
    try:
        with path.open(encoding="utf-8-sig", newline="") as table:
            return {row["file"]: row for row in csv.DictReader(table)}
    except (OSError, KeyError) as error:
        raise DataError(f"{path} can't be read as a catalogue with a column 'file'") from error


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
    model.save(out / "model", name=recipe.name)
    return out / "model"


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
    """A model with random weights and a tokenizer trained on the corpus's own words."""
    torch.manual_seed(recipe.seed)
    config = SmallConfig.from_dict(recipe.encoder)
    texts = [*captions.words(corpus.rows), *(query.text for query in corpus.queries)]
    encoder = SmallEncoder(config, train_tokenizer(texts, config.vocabulary))
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
            rate = learning_rate(step, steps * stage.epochs, stage)
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


class Checkpoint:
    """The state after the last finished epoch: one safetensors file, named by ``progress.json``."""

    def __init__(
        self, folder: Path, learner: Learner, average: Average, optimizer: torch.optim.AdamW
    ) -> None:
        self.folder, self.learner, self.average, self.optimizer = (
            folder,
            learner,
            average,
            optimizer,
        )
        self.history: list[dict[str, float]] = []

    def load(self) -> int:
        """Restore the last finished epoch, if any; returns how many are finished."""
        progress = self.folder / "progress.json"
        if not progress.exists():
            return 0
        self.history = json.loads(progress.read_text())["history"]
        state = load_file(self.folder / f"epoch{len(self.history)}.safetensors")
        self.learner.load_state_dict(_part(state, "learner."))
        self.average.model.load_state_dict(_part(state, "average."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(state, "optimizer.").items():
            number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        say(f"{self.folder.name}: carrying on after epoch {len(self.history)}")
        return len(self.history)

    def save(self, finished: int, scores: dict[str, float]) -> None:
        """Write the state, then the progress that names it, then remove the one before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {f"learner.{k}": v for k, v in self.learner.state_dict().items()}
        state |= {f"average.{k}": v for k, v in self.average.model.state_dict().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{number}.{k}": v for k, v in moments.items()}
        state = {name: value.clone().contiguous() for name, value in state.items()}
        save_file(state, self.folder / f"epoch{finished}.safetensors")
        self.history.append({"epoch": finished, **{k: round(v, 4) for k, v in scores.items()}})
        part = self.folder / "progress.part"
        part.write_text(json.dumps({"history": self.history}, indent=1))
        part.replace(self.folder / "progress.json")
        (self.folder / f"epoch{finished - 1}.safetensors").unlink(missing_ok=True)
        line = "  ".join(f"{k} {v:.4g}" for k, v in self.history[-1].items())
        say(f"{self.folder.name}  {line}")


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def _preprocess(recipe: Recipe, size: int) -> Preprocess:
    return Preprocess(size=size, padding=recipe.padding, fill=recipe.fill, mean=MEAN, std=STD)


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


def say(line: str) -> None:
    """Progress goes to stderr; stdout is for results."""
    print(line, file=sys.stderr, flush=True)


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
