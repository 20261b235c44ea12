"""An epoch of stage 2 over data of FashionIQ's size: our loop beside the published way.

    python benchmarks/training.py [--rounds 3] [--threads 2] [--queries 18000] [--batch 4096]
    python benchmarks/training.py --quick        # does it run? its numbers mean nothing

18,000 queries over 46,000 pictures, four ways to say each, features of width 512 (CLIP ViT-B/32),
the Combiner as published (p 2048, h 4096), batch 4096. Both loops start from cached features, count
in bf16 (the published code in fp16) and take turns in one run; medians are given. The published way
is a data set that hands out one query at a time, collated by a loader, with a cross-entropy over
the batch (CLIP4Cir's recipe, written here). Both are also timed without the model, which is what
the loops themselves cost.

Published code encodes the reference and the target of every query at every step. What that would
add is measured on a few pictures with a network of ViT-B/32's shape, and extrapolated.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from samebut.learning.objective.contrast import Fuse
from samebut.learning.data.corpus import Composed
from samebut.learning.encoders.base import Features
from samebut.learning.data.feature_cache import Store
from samebut.learning.fusion import make_fusion
from samebut.learning.recipe.schema import Recipe, Stage
from samebut.learning.objective.tasks import Learner

PICTURES, TEXTS_OF_A_QUERY, DIM = 46_000, 4, 512
SIDE, PATCH, WIDTH, LAYERS, HEADS = 224, 32, 768, 12, 12
LR, SCALE = 2e-5, 100.0


class Model(nn.Module):
    """A fusion with what a task asks of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.fusion = make_fusion("combiner", DIM)

    def compose(self, image: Features, text: Features) -> Tensor:
        return functional.normalize(self.fusion(image, text).float(), dim=-1)


class OneByOne(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One query: the features of its reference, its target and its text."""

    def __init__(self, queries: list[Composed], pictures: Tensor, words: Tensor) -> None:
        self.queries, self.pictures, self.words = queries, pictures, words
        self.rows = {t: n for n, t in enumerate(t for q in queries for t in q.texts)}

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        query = self.queries[number]
        text = self.words[self.rows[random.choice(query.texts)]]
        return self.pictures[query.reference], self.pictures[query.targets[0]], text


def drawn_queries(count: int) -> list[Composed]:
    dice = random.Random(0)
    return [
        Composed(
            dice.randrange(PICTURES),
            tuple(f"{number} {way}" for way in range(TEXTS_OF_A_QUERY)),
            (dice.randrange(PICTURES),),
        )
        for number in range(count)
    ]


def features_only(pooled: Tensor) -> Features:
    empty = pooled.new_zeros(len(pooled), 0, DIM)
    return Features(pooled.float(), empty, empty[..., 0].bool())


def our_epoch(task: Fuse, learner: Learner, optimizer: torch.optim.Optimizer, train: bool) -> int:
    """An epoch as ``train.StageRun`` goes through it."""
    steps = 0
    for batch in task.batches(random.Random(steps)):
        steps += 1
        if not train:
            task.encode(learner, batch)
            task.triplets.marks(batch.queries, batch.targets)
            continue
        optimizer.zero_grad(set_to_none=True)
        loss = task.loss(learner, batch)
        float(loss.detach())
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
    return steps


def published_epoch(
    loader: DataLoader[Any], model: Model, optimizer: torch.optim.Optimizer, train: bool
) -> int:
    """An epoch of a loader's batches: the target of each query against those of the others."""
    steps = 0
    for references, targets, texts in loader:
        steps += 1
        if not train:
            continue
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            queries = model.compose(features_only(references), features_only(texts))
        logits = SCALE * queries @ functional.normalize(targets.float(), dim=-1).T
        loss = functional.cross_entropy(logits, torch.arange(len(queries)))
        loss.backward()
        optimizer.step()
        float(loss.detach())
    return steps


@torch.inference_mode()
def seconds_a_picture(encoded: int) -> float:
    """Of encoding by a network of ViT-B/32's shape, from the pixels of so many pictures."""
    layer = nn.TransformerEncoderLayer(
        WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
    )
    patches = nn.Conv2d(3, WIDTH, PATCH, PATCH)
    network = nn.TransformerEncoder(layer, LAYERS, enable_nested_tensor=False).eval()
    pixels = torch.randn(encoded, 3, SIDE, SIDE)

    def encode() -> Tensor:
        return network(patches(pixels).flatten(2).transpose(1, 2))

    encode()
    return statistics.median(timed(encode) for _ in range(3)) / encoded


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def loops(queries: list[Composed], batch: int) -> Iterator[tuple[str, Callable[[bool], int]]]:
    """Both loops, each from the same features and a Combiner of its own."""
    pictures = torch.randn(PICTURES, DIM).half()
    words = torch.randn(len(queries) * TEXTS_OF_A_QUERY, DIM).half()
    stage = Stage("fuse", epochs=1, batch=batch, lr=LR, weight_decay=0.0, scale=SCALE)
    corpus: Any = SimpleNamespace(queries=queries, files=range(PICTURES))
    task = Fuse(corpus, stage, Recipe(name="benchmark", stages=(stage,)))
    task.pictures, task.words = Store(pictures.unsqueeze(1)), Store(words.unsqueeze(1))
    ours: Any = Model()
    learner = Learner(ours, 0.07)
    adam = torch.optim.AdamW(learner.parameters(), lr=LR, weight_decay=0.0)
    yield "ours", lambda train: our_epoch(task, learner, adam, train)
    theirs = Model()
    loader = DataLoader(
        OneByOne(queries, pictures, words), batch_size=batch, shuffle=True, drop_last=True
    )
    other = torch.optim.Adam(theirs.parameters(), lr=LR)
    yield "published", lambda train: published_epoch(loader, theirs, other, train)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=18_000)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--quick", action="store_true", help="two small steps, once")
    parser.add_argument("--encoded", type=int, default=32, help="pictures to extrapolate from")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.queries, arguments.batch, arguments.encoded = 1, 128, 64, 2
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    both = dict(loops(drawn_queries(arguments.queries), arguments.batch))
    spent: dict[tuple[str, bool], list[float]] = {}
    for epoch in both.values():
        epoch(False)  # the first pass pays for what is allocated
    for _ in range(arguments.rounds):
        for train in (True, False):
            for name, epoch in both.items():
                spent.setdefault((name, train), []).append(timed(lambda: epoch(train)))  # noqa: B023
    median = {key: statistics.median(values) for key, values in spent.items()}
    encoding = 2 * arguments.queries * seconds_a_picture(arguments.encoded)
    print(
        f"{arguments.queries:,} queries, batch {arguments.batch:,}, D {DIM}, {arguments.threads} "
        f"threads, {arguments.rounds} rounds, torch {torch.__version__}"
    )
    print(f"{'seconds an epoch':<44}{'ours':>10}{'published':>12}{'ratio':>9}")
    for label, train in (("from cached features", True), ("the loop without the model", False)):
        ours, theirs = median["ours", train], median["published", train]
        print(f"{label:<44}{ours:>10.2f}{theirs:>12.2f}{theirs / ours:>9.2f}")
    ours, theirs = median["ours", True], median["published", True] + encoding
    label = f"it encodes at every step (from {arguments.encoded} pictures)"
    print(f"{label:<44}{ours:>10.2f}{theirs:>12.0f}{theirs / ours:>9.1f}")


if __name__ == "__main__":
    main()
