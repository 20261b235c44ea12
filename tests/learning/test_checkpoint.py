"""learning/run/checkpoint.py: averages and checkpoints of what trains, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from samebut.learning.data.encoding import Trains
from samebut.learning.run.checkpoint import Average, StageCheckpoint


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
        self.fusion = nn.Linear(3, 3)


class Learner(nn.Module):
    def __init__(self, model: Model) -> None:
        super().__init__()
        self.model = model
        self.log_scale = nn.Parameter(torch.tensor(1.0))


def stepped(folder: Path, trains: Trains, seed: int = 0) -> StageCheckpoint:
    torch.manual_seed(seed)
    learner = Learner(Model())
    average = Average(learner.model, 0.5, trains)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.1)
    return StageCheckpoint(folder, learner, average, optimizer, trains)  # type: ignore[arg-type]


def take_steps(at: StageCheckpoint, count: int) -> None:
    for step in range(count):
        torch.manual_seed(at.step)
        model = at.learner.model
        at.optimizer.zero_grad()
        loss = model.fusion(model.encoder(torch.randn(8, 3))).square().mean() * at.learner.log_scale
        loss.backward()
        at.optimizer.step()
        at.average.update(step)
        at.step += 1


def test_an_average_copies_only_what_moves() -> None:
    model = Model()
    average = Average(model, 0.5, "fusion")
    assert average.model.encoder is model.encoder
    assert average.model.fusion is not model.fusion
    assert Average(model, 0.5).model.encoder is not model.encoder
    with torch.no_grad():
        model.fusion.bias += 1
    before = average.model.fusion.bias.clone()
    average.update(1000)
    torch.testing.assert_close(average.model.fusion.bias, before + 0.5)


@pytest.mark.parametrize("trains", ["all", "encoder", "fusion"])
def test_a_checkpoint_brings_everything_back(tmp_path: Path, trains: Trains) -> None:
    at = stepped(tmp_path, trains)
    take_steps(at, 3)
    at.total = 1.25
    at.save()
    again = stepped(tmp_path, trains)
    again.load()
    assert (again.epoch, again.step, again.total) == (0, 3, 1.25)
    prefix = "" if trains == "all" else trains
    names = [n for n in at.learner.state_dict() if n.startswith((f"model.{prefix}", "log_scale"))]
    for name in names:
        assert torch.equal(again.learner.state_dict()[name], at.learner.state_dict()[name])
    state = load_file(next(tmp_path.glob("state-*")))
    moments = {name for name in state if name.startswith("optimizer.")}
    assert {name for name in state if name.startswith("learner.")} == {
        f"learner.{n}" for n in names
    }
    assert len(moments) == 3 * len(list(at.learner.parameters()))
    for number, values in at.optimizer.state_dict()["state"].items():
        for key, value in values.items():
            assert torch.equal(again.optimizer.state_dict()["state"][number][key], value)


def test_the_state_before_goes_when_the_new_one_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = stepped(tmp_path, "all")
    for _ in range(3):
        take_steps(at, 1)
        at.save()
    assert [path.name for path in tmp_path.glob("state-*")] == ["state-0-3.safetensors"]

    def cut(path: Path, text: str) -> None:
        raise KeyboardInterrupt

    take_steps(at, 1)
    # Killed before it is named.
    monkeypatch.setattr("samebut.learning.run.checkpoint.write_whole", cut)
    with pytest.raises(KeyboardInterrupt):
        at.save()
    monkeypatch.undo()
    again = stepped(tmp_path, "all")
    again.load()
    assert again.step == 3


def test_best_and_last_are_kept(tmp_path: Path) -> None:
    at = stepped(tmp_path, "all")
    weights = []
    for score in (1.0, 5.0, 2.0):
        take_steps(at, 2)
        at.epoch, at.step = at.epoch + 1, 0
        at.keep_best(score)
        at.save()
        weights.append(at.average.model.fusion.weight.clone())
    at.end("last")
    assert torch.equal(at.average.model.fusion.weight, weights[2])
    for keep, epoch in (("best", 1), ("last", 2)):
        again = stepped(tmp_path, "all", seed=9)
        again.load()
        assert again.finished
        again.take(keep)
        assert torch.equal(again.average.model.fusion.weight, weights[epoch])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"progress.json", "best-2.safetensors", "last.safetensors"}
