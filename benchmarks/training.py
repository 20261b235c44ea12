"""An epoch of stage 2 over data of FashionIQ's size: our loop beside the published way.

    python benchmarks/training.py [--rounds 3] [--threads 2] [--queries 18000] [--batch 4096]
    python benchmarks/training.py --presets      # milliseconds of a step of each preset instead
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
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, Dataset

from samebut.data.benchmark import Query
from samebut.learning.data.corpus import Corpus, Part
from samebut.learning.data.encoding import BatchEncoder, trains_weight
from samebut.learning.data.feature_store import FeatureStore
from samebut.learning.data.pictures import Pictures
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch, Sampler
from samebut.learning.encoders.base import Features
from samebut.learning.encoders.small import SmallEncoder
from samebut.learning.fusion import make_fusion
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.learner import COMPOSES, Learner, Objective
from samebut.learning.recipe.read import recipe_of
from samebut.learning.run.initial_model import preprocess_of
from samebut.learning.run.plan import rules_of
from samebut.preprocess import Preprocess

PICTURES, TEXTS_OF_A_QUERY, DIM = 46_000, 4, 512
SIDE, PATCH, WIDTH, LAYERS, HEADS = 224, 32, 768, 12, 12
LR, SCALE = 2e-5, 100.0
SIDE_OF_PRESETS = 64
PREPROCESS = Preprocess(size=74, padding="target", fill="edge", mean=(0.5,) * 3, std=(0.25,) * 3)


class OneByOne(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """One query: the features of its reference, its target and its text."""

    def __init__(self, queries: list[Query], pictures: Tensor, words: Tensor) -> None:
        self.queries, self.pictures, self.words = queries, pictures, words
        self.rows = {t: n for n, t in enumerate(t for q in queries for t in q.texts)}

    def __len__(self) -> int:
        return len(self.queries)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        query = self.queries[number]
        text = self.words[self.rows[random.choice(query.texts)]]
        return self.pictures[int(query.reference)], self.pictures[int(query.targets[0])], text


def drawn_queries(count: int, pictures: int = PICTURES) -> list[Query]:
    """Random queries; the pictures are called by their row numbers."""
    rng = random.Random(0)
    return [
        Query(
            str(number),
            str(rng.randrange(pictures)),
            tuple(f"{number} {way}" for way in range(TEXTS_OF_A_QUERY)),
            (str(rng.randrange(pictures)),),
        )
        for number in range(count)
    ]


def drawn_corpus(queries: list[Query], pictures: int) -> Corpus:
    """A corpus of these queries; its files are names, and its rows have two attributes."""
    rng = random.Random(1)
    place = {str(row): row for row in range(pictures)}
    part = Part("drawn", 0, pictures, tuple(queries), place)
    rows = tuple(
        {"title": f"thing {row % 40}", "colour": str(rng.randrange(9)), "article": str(row % 40)}
        for row in range(pictures)
    )
    return Corpus(tuple(map(Path, place)), rows, (part,), PREPROCESS, Path())


def features_only(pooled: Tensor) -> Features:
    empty = pooled.new_zeros(len(pooled), 0, DIM)
    return Features(pooled.float(), empty, empty[..., 0].bool())


def our_epoch(
    sampler: Sampler, learner: Learner, optimizer: torch.optim.Optimizer, train: bool
) -> int:
    """An epoch as ``StageRun`` goes through it."""
    steps = 0
    epoch = sampler.epoch(random.Random(steps))
    for batch in epoch.batches(sampler.queries.batch):
        steps += 1
        if train:
            our_step(learner, optimizer, batch, epoch.table)
        else:
            learner.step(batch, epoch.table)
            epoch.table.marks(batch.queries, batch.targets)
    return steps


def our_step(
    learner: Learner, optimizer: torch.optim.Optimizer, batch: Batch, table: QueryTable
) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss = learner(batch, table)
    float(loss.detach())
    loss.backward()
    nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
    optimizer.step()


def published_epoch(
    loader: DataLoader[Any], fusion: nn.Module, optimizer: torch.optim.Optimizer, train: bool
) -> int:
    """An epoch of a loader's batches: the target of each query against those of the others."""
    steps = 0
    for references, targets, texts in loader:
        steps += 1
        if not train:
            continue
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            queries = fusion(features_only(references), features_only(texts))
        queries = functional.normalize(queries.float(), dim=-1)
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


def loops(queries: list[Query], batch: int) -> Iterator[tuple[str, Callable[[bool], int]]]:
    """Both loops, each from the same features and a Combiner of its own."""
    pictures = torch.randn(PICTURES, DIM).half()
    words = torch.randn(len(queries) * TEXTS_OF_A_QUERY, DIM).half()
    keys = f'preset = "fuse"\nweight_decay = 0.0\nlr = {LR}\n'
    loss = f"loss.contrast = {{ scale = {SCALE}, learned_scale = false }}\n"
    learner, sampler = learner_of(keys + loss, drawn_corpus(queries, PICTURES), batch, DIM)
    texts = sampler.given.texts
    learner.encoder.use(
        FeatureStore(pictures.unsqueeze(1)), FeatureStore(words.unsqueeze(1)), texts
    )
    adam = torch.optim.AdamW(learner.parameters(), lr=LR, weight_decay=0.0)
    yield "ours", lambda train: our_epoch(sampler, learner, adam, train)
    theirs = make_fusion("combiner", DIM)
    loader = DataLoader(
        OneByOne(queries, pictures, words), batch_size=batch, shuffle=True, drop_last=True
    )
    other = torch.optim.Adam(theirs.parameters(), lr=LR)
    yield "published", lambda train: published_epoch(loader, theirs, other, train)


def learner_of(stage: str, corpus: Corpus, batch: int, dim: int) -> tuple[Learner, Sampler]:
    """What trains by a stage's TOML, with random weights, and its sampler."""
    table = tomllib.loads(f"queries = {{ epochs = 1, batch = {batch} }}\n{stage}")
    recipe = recipe_of({"name": "benchmark", "size": SIDE_OF_PRESETS, "stages": [table]})
    (chosen,) = recipe.stages
    texts = sorted({text for query in corpus.queries for text in query.texts})
    encoder = SmallEncoder.create({"dim": dim, "vocabulary": 2048}, texts)
    model = CIRModel(encoder, preprocess_of(recipe), fusion="combiner")
    objective = Objective(chosen.loss, corpus, model)
    encoding = BatchEncoder(corpus, rules_of(chosen, recipe))
    learner = Learner(model, objective, encoding, COMPOSES[chosen.composes])
    for name, weights in model.named_parameters():
        weights.requires_grad_(trains_weight(chosen.trains, name))
    sampler = Sampler(corpus, chosen.queries, composes=chosen.has_queries)
    return learner.train(), sampler


PRESET_STAGES = {
    "align": "loss = { captions = 0.3, attributes = 1.0 }",
    "tune": 'loss.contrast = { candidates = "references" }',
    "fuse": 'loss.contrast = { candidates = "references" }',
    "compose": "loss = { captions = 0.2, attributes = 0.3 }",
}


def time_presets(steps: int, batch: int) -> None:
    """Print the median milliseconds of a step of each preset, its batch drawn within it."""
    pictures = 2000
    corpus = drawn_corpus(drawn_queries(4000, pictures), pictures)
    array = np.random.default_rng(0).integers(
        0, 256, (pictures, corpus.preprocess.size, corpus.preprocess.size, 3), np.uint8
    )
    vars(corpus)["pictures"] = Pictures(array)  # in place of files that don't exist
    for preset, keys in PRESET_STAGES.items():
        learner, sampler = learner_of(f'preset = "{preset}"\nlr = 1e-4\n{keys}', corpus, batch, 256)
        table = sampler.given
        learner.encoder.use(
            FeatureStore(torch.randn(pictures, 1, 256).half()),
            FeatureStore(torch.randn(len(table.texts), 1, 256).half()),
            table.texts,
        )
        adam = torch.optim.AdamW(p for p in learner.parameters() if p.requires_grad)
        rng = random.Random(0)
        if preset == "align":
            batches = sampler.batches_of_pictures(rng)
        else:
            batches = sampler.epoch(rng).batches(batch)
        spent = [
            timed(lambda: our_step(learner, adam, next(batches), table))  # noqa: B023
            for _ in range(steps + 1)
        ]
        print(f"{preset:<10}{1000 * statistics.median(spent[1:]):>9.1f} ms a step")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--queries", type=int, default=18_000)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--presets", action="store_true", help="time a step of each preset")
    parser.add_argument("--quick", action="store_true", help="two small steps, once")
    parser.add_argument("--encoded", type=int, default=32, help="pictures to extrapolate from")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.rounds, arguments.queries, arguments.batch, arguments.encoded = 1, 128, 64, 2
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    if arguments.presets:
        time_presets(2 if arguments.quick else 12, 64 if arguments.quick else 128)
        return
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
