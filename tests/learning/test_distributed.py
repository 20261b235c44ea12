"""learning/processes.py: two processes train as one does with the doubled batch."""

from __future__ import annotations

import csv
import multiprocessing
import os
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch.nn import functional

from drawn_shapes import ATTENTION, HEAD, draw
from samebut.errors import RecipeError
from samebut.learning import contrast, plan, processes, train
from samebut.learning.recipe.schema import read_recipe
from samebut.preprocess import Preprocess

# Nothing by chance of a process's own (dropout), nothing over its own part of a batch (norms).
RECIPE = f"""{HEAD}text_dropout = 0.0
{ATTENTION}
[[stages]]
task = "tune"
epochs = 2
batch = 8
lr = 3e-3
accumulate = 2
frozen_norms = true
references = true
[[stages]]
task = "fuse"
epochs = 3
batch = 12
lr = 3e-3
symmetric = true
hardness = 0.2
smoothing = 0.1
negatives = 2
mine_from = 1
views = 2
"""

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["samebut.learning.run.train"])


def plain(pixels: torch.Tensor, preprocess: Preprocess, augment: object) -> torch.Tensor:
    """In place of random views, which each process draws for itself."""
    size = (preprocess.size, preprocess.size)
    return functional.interpolate(pixels, size, mode="bilinear", antialias=True)


def run(recipe: Path, root: Path, out: Path, environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    torch.set_num_threads(1)
    torch._C._set_mkldnn_enabled(False)
    contrast.vary = plain
    train.train(read_recipe(recipe), {"shapes": root}, out)
    distributed.stop()


def together(count: int, recipe: Path, root: Path, out: Path) -> None:
    """What ``torchrun --nproc-per-node COUNT`` does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    started = []
    for rank in range(count):
        mine = shared | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
        started.append(CONTEXT.Process(target=run, args=(recipe, root, out, mine)))
        started[-1].start()
    for process in started:
        process.join()
        assert process.exitcode == 0


def losses(out: Path) -> list[float]:
    rows = []
    for log in sorted(out.glob("stage*/log.csv")):
        with log.open() as file:
            rows += [float(row["loss"]) for row in csv.DictReader(file)]
    return rows


@pytest.mark.skipif(not torch.distributed.is_available(), reason="torch is built without")
def test_two_processes_are_one_with_the_doubled_batch(tmp_path: Path) -> None:
    root, recipe = draw(tmp_path / "shapes"), tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    for count in (1, 2):
        together(count, recipe, root, tmp_path / f"by{count}")
    ours, theirs = losses(tmp_path / "by1"), losses(tmp_path / "by2")
    assert len(ours) == len(theirs) == 2 * 1 + 3 * 2
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert max(ours[:2]) - min(ours[:2]) > 1e-3  # it does move
    one, two = (
        load_file(tmp_path / name / "model" / "weights.safetensors") for name in ("by1", "by2")
    )
    for name, value in one.items():
        torch.testing.assert_close(value, two[name], rtol=1e-2, atol=2e-4)


def test_alone_nothing_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert distributed.start().type in ("cpu", "cuda")
    assert not distributed.several()
    assert (distributed.rank(), distributed.count()) == (0, 1)
    assert distributed.own_part(([1, 2], torch.arange(4)))[0] == [1, 2]
    parameter = torch.nn.Parameter(torch.ones(2))
    parameter.grad = torch.full((2,), 3.0)
    distributed.average_gradients([parameter])
    assert parameter.grad.tolist() == [3.0, 3.0]


def test_each_takes_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "count", lambda: 2)
    parts = []
    for rank in range(2):
        monkeypatch.setattr(processes, "rank", lambda rank=rank: rank)
        parts.append(distributed.own_part(([0, 1, 2, 3], ["a", "b", "c", "d"])))
    assert parts == [([0, 1], ["a", "b"]), ([2, 3], ["c", "d"])]


def test_a_batch_that_can_not_be_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, path = draw(tmp_path / "shapes"), tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    monkeypatch.setattr(processes, "count", lambda: 3)
    with pytest.raises(RecipeError, match="a batch of 8 can't be shared by 3 processes"):
        plan.make_plan(read_recipe(path), {"shapes": root}, tmp_path / "cache")
