"""The state of a run: an averaged model, and checkpoints that a killed run carries on from."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from samebut.learning.tasks import Learner


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


def say(line: str) -> None:
    """Progress goes to stderr; stdout is for results."""
    print(line, file=sys.stderr, flush=True)
