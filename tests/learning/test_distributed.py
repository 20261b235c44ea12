"""learning/distributed.py: several processes train as one does with the whole batch."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoints import clip
from safetensors.torch import load_file
from torch import Tensor
from torch.nn import functional

from drawn_shapes import ATTENTION, HEAD, draw, with_subsets
from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.data import captions, encoding
from samebut.learning.data.corpus import read_corpus, source_of
from samebut.learning.data.encoding import BatchEncoder, trains_weight
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Sampler, batch_of_pictures
from samebut.learning.objective.learner import COMPOSES, Learner, Objective
from samebut.learning.objective.negatives import Miner
from samebut.learning.recipe.read import read_recipe
from samebut.learning.recipe.schema import Recipe
from samebut.learning.run import train
from samebut.learning.run.initial_model import initial_model, preprocess_of
from samebut.learning.run.plan import make_plan, rules_of
from samebut.preprocess import Preprocess

without_distributed = not torch.distributed.is_available()
pytestmark = pytest.mark.skipif(without_distributed, reason="torch is built without")

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["samebut.learning.run.train"])


def together(count: int, work: Callable[..., None], *arguments: Any) -> None:
    """What ``torchrun --nproc-per-node COUNT`` does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = []
    for rank in range(count):
        mine = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        started.append(CONTEXT.Process(target=one_of_them, args=(mine, work, *arguments)))
        started[-1].start()
    for process in started:
        process.join()
        assert process.exitcode == 0


def one_of_them(environment: Mapping[str, str], work: Callable[..., None], *arguments: Any) -> None:
    os.environ.update(environment)
    torch.cuda.is_available = lambda: False
    torch.set_num_threads(1)
    torch._C._set_mkldnn_enabled(False)
    work(*arguments)
    distributed.stop()


# Losses and gradients of one batch. Nothing by chance of a process's own: dropout, views, captions.
STILL = """
[augment]
crop = 1.0
rotation = 0.0
contrast = 0.0
mirror = 0.0
[sources.shapes.resampling]
attributes = ["article", "colour"]
chinese = 0.0
"""
QUERIES = {
    "given": {},
    "resampled": {"resampled": 0.5},
    "clusters": {"cluster_size": 3},
    "hard negatives": {"hard_negatives": 3},
    "mined": {"mined": {"count": 2}},
    "all of them": {
        "resampled": 0.5,
        "cluster_size": 2,
        "hard_negatives": 2,
        "mined": {"count": 2},
    },
}
LOSSES: dict[str, dict[str, Any]] = {
    "targets": {"contrast": {"scale": 20.0}},
    "references": {"contrast": {"candidates": "references", "symmetric": True, "smoothing": 0.1}},
    "pictures": {"contrast": {"candidates": "pictures", "hardness": 0.2, "positive_weight": 0.5}},
    "captions": {"captions": 1.0},
    "attributes": {"attributes": 1.0},
    "cosine attributes": {"attributes": {"weight": 1.0, "cosine_scale": 6.0}},
    "distillation": {"distillation": {"weights": {"shapes": 50.0}}},
}
FEATURES = {"live": {"trains": "all"}, "cached": {"trains": "fusion", "features": "cached"}}
COMPOSED = [
    (features, queries, term)
    for features in FEATURES
    for queries in QUERIES
    for term in LOSSES
    if term != "cosine attributes"  # once is enough, below
]
ALIGNED = [
    ("live", "pictures alone", term)
    for term in ("captions", "attributes", "cosine attributes", "distillation")
]
CASES = {" / ".join(case): case for case in (*COMPOSED, *ALIGNED)}


def stage_of(features: str, queries: str, term: str) -> dict[str, Any]:
    loss = dict(LOSSES[term])
    if queries == "pictures alone":
        loss["contrast"] = 0.0
    asked = {"epochs": 1, "batch": 8} | QUERIES.get(queries, {})
    stage = {"lr": 0.1, "frozen_norms": True, "queries": asked, "loss": loss}
    return stage | FEATURES[features]


def recipe_with(base: Recipe, stage: dict[str, Any]) -> Recipe:
    kind = type(base.stages[0])
    return base.model_copy(update={"stages": (kind.of(stage),)})


def measure(base: Path, root: Path, folder: Path, out: Path) -> None:
    """Loss and gradient of every case, by however many processes there are."""
    device = distributed.start()
    captions.caption = lambda row, rng: row["title"]
    found = {}
    for number, (name, case) in enumerate(CASES.items()):
        recipe = recipe_with(read_recipe(base), stage_of(*case))
        found[name] = measured(recipe, root, folder / str(number), device)
    if distributed.rank() == 0:
        torch.save(found, out)


def measured(
    recipe: Recipe, root: Path, folder: Path, device: torch.device
) -> tuple[Tensor, dict[str, Tensor]]:
    stage = recipe.stages[0]
    settings = recipe.sources["shapes"]
    source = source_of("shapes", root, settings)
    preprocess = preprocess_of(recipe, margin=recipe.margin)
    corpus = read_corpus({"shapes": source}, preprocess, folder.parent, {"shapes": settings})
    with distributed.first_alone():
        _ = corpus.pictures
    model = initial_model(recipe, corpus).model
    encoder = BatchEncoder(corpus, rules_of(stage, recipe))
    torch.manual_seed(5)
    learner = Learner(
        model, Objective(stage.loss, corpus, model), encoder, COMPOSES[stage.composes]
    )
    move(model)
    for name, weights in model.named_parameters():
        weights.requires_grad_(trains_weight(stage.trains, name))
    sampler = Sampler(corpus, stage.queries, composes=stage.has_queries)
    encoder.prepare(model, sampler.given, folder)
    learner.train()
    if stage.has_queries:
        epoch = sampler.epoch(random.Random(4))
        table = epoch.table
        mined = Miner(stage.queries.mined, folder).negatives(learner, table, 0)
        batch = next(iter(epoch.batches(stage.queries.batch, mined)))
    else:
        table = QueryTable.of((), {})
        batch = batch_of_pictures(torch.tensor([0, 2, 5, 7, 11, 13, 17, 29]))
    parallel = distributed.parallel(learner)
    loss = parallel(batch, table)
    loss.backward()
    mean = loss.detach() / distributed.count()
    if distributed.several():
        torch.distributed.all_reduce(mean)
    return mean, {n: p.grad for n, p in learner.named_parameters() if p.grad is not None}


@torch.no_grad()
def move(model: torch.nn.Module) -> None:
    """Away from what the stage began with, so that distillation has something to say."""
    rng = torch.Generator().manual_seed(9)
    for weights in model.parameters():
        weights.mul_(1 + 0.3 * torch.rand(weights.shape, generator=rng))


@pytest.fixture(scope="module")
def measurements(
    tmp_path_factory: pytest.TempPathFactory,
) -> list[dict[str, tuple[Tensor, dict[str, Tensor]]]]:
    folder = tmp_path_factory.mktemp("several")
    root, base = with_subsets(draw(folder / "shapes")), folder / "recipe.toml"
    stage = "[[stages]]\nlr = 0.1\nqueries = { epochs = 1, batch = 8 }\n"
    base.write_text(f"{HEAD}text_dropout = 0.0\n{ATTENTION}{STILL}{stage}")
    for count in (1, 2):
        together(count, measure, base, root, folder / f"by{count}", folder / f"{count}.pt")
    return [torch.load(folder / f"{count}.pt", weights_only=True) for count in (1, 2)]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_have_the_loss_and_gradient_of_one(
    measurements: list[dict[str, tuple[Tensor, dict[str, Tensor]]]], name: str
) -> None:
    (loss, ours), (other, theirs) = (found[name] for found in measurements)
    torch.testing.assert_close(other, loss, rtol=1e-5, atol=1e-6)
    assert ours.keys() == theirs.keys()
    length = torch.stack([value.norm() for value in ours.values()]).norm()
    assert length > 1e-3
    apart = torch.stack([(value - theirs[key]).norm() for key, value in ours.items()]).norm()
    assert apart < 1e-5 * length


# Whole runs.
RECIPE = f"""{HEAD}text_dropout = 0.0
{ATTENTION}
[[stages]]
preset = "tune"
lr = 3e-3
frozen_norms = true
queries = {{ epochs = 2, batch = 8, accumulate = 2 }}
loss.contrast.candidates = "references"
[[stages]]
preset = "fuse"
lr = 3e-3
queries = {{ epochs = 3, batch = 12, mined = {{ count = 2, first = 1 }} }}
loss.contrast = {{ symmetric = true, hardness = 0.2, smoothing = 0.1 }}
"""


def plain(pixels: torch.Tensor, preprocess: Preprocess, *_: object) -> torch.Tensor:
    """In place of random views, which each process draws for itself."""
    size = (preprocess.size, preprocess.size)
    return functional.interpolate(pixels, size, mode="bilinear", antialias=True)


def run(recipe: Path, root: Path, out: Path) -> None:
    encoding.vary = plain
    train.train(read_recipe(recipe), {"shapes": root}, out)


def losses(out: Path) -> list[float]:
    rows = []
    for log in sorted(out.glob("stage*/log.csv")):
        with log.open() as file:
            rows += [float(row["loss"]) for row in csv.DictReader(file)]
    return rows


def test_two_processes_are_one_with_the_doubled_batch(tmp_path: Path) -> None:
    root, recipe = draw(tmp_path / "shapes"), tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    for count in (1, 2):
        together(count, run, recipe, root, tmp_path / f"by{count}")
    ours, theirs = losses(tmp_path / "by1"), losses(tmp_path / "by2")
    assert len(ours) == len(theirs) == 2 * 1 + 3 * 2
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert max(ours[:2]) - min(ours[:2]) > 1e-3  # it does move
    one, two = (
        load_file(tmp_path / name / "model" / "weights.safetensors") for name in ("by1", "by2")
    )
    assert one.keys() == two.keys()
    length = distance(one, {name: torch.zeros(()) for name in one})
    # Of all weights together: AdamW turns a gradient that is rounding alone into a whole step.
    assert distance(one, two) < 1e-3 * length
    (start,) = json.loads((tmp_path / "by2" / "starts.json").read_text())
    assert start["processes"] == 2


# A hub encoder by the real command.
HUB = """
name = "hub"
seed = 3
size = 32
precision = "fp32"
[encoder]
kind = "clip"
source = "SOURCE"
[fusion]
name = "combiner"
projection = 8
hidden = 8
dropout = 0.0
[augment]
crop = 1.0
rotation = 0.0
contrast = 0.0
mirror = 0.0
[[stages]]
preset = "tune"
trains = "text"
lr = 1e-5
queries = { epochs = 1, batch = 8, accumulate = 3 }
[[stages]]
preset = "compose"
recompute = true
lr = 1e-5
queries = { epochs = 1, batch = 8 }
"""


def train_command(recipe: Path, root: Path, out: Path, *launcher: str) -> None:
    """``samebut train`` in processes of its own, by ``launcher`` if there is one."""
    command = [*launcher, "-m", "samebut", "train", str(recipe), "--data", str(root), "--threads=1"]
    quiet = {"CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command, "--out", str(out)],
        env=os.environ | quiet, capture_output=True, text=True, check=False, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def distance(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> Tensor:
    """Of all weights together, those of ``ours`` by name."""
    return torch.stack([(v - theirs[k]).float().norm() for k, v in ours.items()]).norm()


def test_torchrun_trains_a_hub_encoder_as_one_process_does(tmp_path: Path) -> None:
    """Contrast over the pictures of both, accumulation, a tower at rest, and recomputing."""
    root, recipe = draw(tmp_path / "shapes"), tmp_path / "recipe.toml"
    recipe.write_text(HUB.replace("SOURCE", clip(tmp_path / "clip").as_posix()))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    train_command(recipe, root, tmp_path / "by1")
    train_command(recipe, root, tmp_path / "by2", *torchrun)
    (start,) = json.loads((tmp_path / "by2" / "starts.json").read_text())
    assert start["processes"] == 2
    ours, theirs = losses(tmp_path / "by1"), losses(tmp_path / "by2")
    assert len(ours) == 1 + 3 and ours == pytest.approx(theirs, rel=1e-5)
    one, two = (
        load_file(tmp_path / name / "model" / "weights.safetensors") for name in ("by1", "by2")
    )
    began = load_file(tmp_path / "clip" / "model.safetensors")
    began = {f"encoder.network.{name}": value for name, value in began.items()}
    assert began.keys() < one.keys() == two.keys()
    length = distance(one, {name: torch.zeros(()) for name in one})
    assert distance(began, one) > 1e-5 * length  # it does move
    assert distance(one, two) < 1e-6 * length


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.start().type in ("cpu", "cuda")
    assert not distributed.several()
    assert (distributed.rank(), distributed.count()) == (0, 1)
    assert distributed.own_rows(4) == slice(0, 4)
    assert distributed.of_the_first(0.25, torch.device("cpu")) == 0.25
    rows = torch.arange(4.0)
    assert distributed.gather(rows) is rows
    module = torch.nn.Linear(1, 1)
    assert distributed.parallel(module) is module
    with distributed.gradients_kept_apart(module):
        pass


def test_each_takes_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "count", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        parts.append(["a", "b", "c", "d"][distributed.own_rows(4)])
    assert parts == [["a", "b"], ["c", "d"]]


def test_only_the_first_speaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for rank in (0, 1):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        distributed.say(f"hello from {rank}")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "hello from 0\n")


def test_a_batch_that_can_not_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, path = draw(tmp_path / "shapes"), tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    monkeypatch.setattr(distributed, "count", lambda: 3)
    with pytest.raises(RecipeError, match=r"stage 1 \(tune\): .* 8 can't be shared by 3 processes"):
        make_plan(read_recipe(path), {"shapes": root}, tmp_path / "cache")
