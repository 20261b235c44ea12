"""The state of a stage: averaged weights, and checkpoints from which a killed run continues."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from samebut.learning.data.encoding import Trains, trains_weight
from samebut.learning.disk import replacing, write_whole
from samebut.learning.distributed import say
from samebut.learning.objective.learner import Learner


class Average:
    """An exponential moving average of a model's weights and running statistics.

    Only weights that a stage ``trains`` are averaged. A part of the model without such weights
    (encoder or fusion) is shared with the model, not copied.
    """

    def __init__(self, model: nn.Module, decay: float, trains: Trains = "all") -> None:
        self.names = [name for name in model.state_dict() if trains_weight(trains, name)]
        moving = {name.partition(".")[0] for name in self.names}
        still = [part for name, part in model.named_children() if name not in moving]
        self.model = copy.deepcopy(model, {id(part): part for part in still}).eval()
        self.decay = decay
        ours, theirs = self.model.state_dict(), model.state_dict()
        pairs = [(ours[name], theirs[name]) for name in self.names]
        self._moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counting = [pair for pair in pairs if not pair[0].is_floating_point()]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the model's current weights."""
        # A smaller decay at first: otherwise the average would long be dominated by the initial
        # weights.
        decay = min(self.decay, (1 + step) / (10 + step))
        # All tensors in one call: one by one, a GPU would run hundreds of tiny kernels.
        ours, theirs = zip(*self._moving, strict=True)
        torch._foreach_lerp_(ours, theirs, 1 - decay)
        for value, new in self._counting:
            value.copy_(new)


@dataclass
class Best:
    """The epoch with the best score so far, counted from 1; 0: none yet."""

    epoch: int = 0
    score: float = float("-inf")


class StageCheckpoint:
    """Where a stage is: ``progress.json``, and the safetensors that it names.

    ``epoch`` and ``step`` are the next to be done, ``total`` the sum of losses over the steps of
    this epoch so far. A state is first written, then named in ``progress.json``, and then the one
    before it is deleted, so a run that is killed at any moment leaves a complete state. Weights
    that don't train are not written.
    """

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        average: Average,
        optimizer: torch.optim.AdamW,
        trains: Trains = "all",
    ) -> None:
        self.folder, self.learner, self.average = folder, learner, average
        self.optimizer, self.trains = optimizer, trains
        self.history: list[dict[str, float]] = []
        self.epoch, self.step, self.total = 0, 0, 0.0
        self.best = Best()
        self.finished = False

    def load(self) -> None:
        """Restore the last state that was written, if any."""
        progress = self.folder / "progress.json"
        if not progress.exists():
            return
        said = json.loads(progress.read_text())
        self.history, self.finished = said["history"], said["finished"]
        self.epoch, self.step, self.total = said["epoch"], said["step"], said["total"]
        self.best = Best(*said["best"]) if said["best"] else Best()
        state = load_file(self.folder / said["state"])
        _put(self.average.model, _part(state, "average."))
        if self.finished:
            return
        _put(self.learner, _part(state, "learner."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(state, "optimizer.").items():
            number, key = name.split(".")
            moments.setdefault(int(number), {})[key] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": moments})
        say(f"{self.folder.name}: carrying on at epoch {self.epoch + 1}, step {self.step + 1}")

    def save(self) -> None:
        """Write the state. RecipeError if it can't be written; the last one stays."""
        state = {f"learner.{k}": v for k, v in self._learned().items()}
        state |= {f"average.{k}": v for k, v in self._averaged().items()}
        for number, moments in self.optimizer.state_dict()["state"].items():
            state |= {f"optimizer.{number}.{k}": v for k, v in moments.items()}
        self._write(state, f"state-{self.epoch}-{self.step}")

    def keep_best(self, score: float) -> None:
        """Keep the averaged weights of the epoch that has just ended, if they are the best."""
        if score > self.best.score:
            self.best = Best(self.epoch, score)
            self._save_file(self._averaged(), f"best-{self.epoch}.safetensors")

    def end(self, keep: str) -> None:
        """End the stage: keep only the averaged weights, the last and the best."""
        self.finished = True
        self._write({f"average.{k}": v for k, v in self._averaged().items()}, "last")
        self.take(keep)

    def take(self, keep: str) -> None:
        """Make the averaged model what the stage hands on: ``last`` or ``best``."""
        if keep == "best" and self.best.epoch:
            _put(self.average.model, load_file(self.folder / f"best-{self.best.epoch}.safetensors"))

    def size(self) -> int:
        """About how many bytes a state takes: weights, their average, and Adam's two moments."""
        return sum(4 * v.numel() * v.element_size() for v in self._averaged().values())

    def _learned(self) -> dict[str, Tensor]:
        state: dict[str, Tensor] = self.learner.state_dict()
        return {
            name: value
            for name, value in state.items()
            if not name.startswith("model.")
            or trains_weight(self.trains, name.removeprefix("model."))
        }

    def _averaged(self) -> dict[str, Tensor]:
        state = self.average.model.state_dict()
        return {name: state[name] for name in self.average.names}

    def _write(self, state: dict[str, Tensor], name: str) -> None:
        file = f"{name}.safetensors"
        self._save_file(state, file)
        best = [self.best.epoch, self.best.score] if self.best.epoch else None
        said: dict[str, Any] = {"state": file, "finished": self.finished, "best": best}
        said |= {"epoch": self.epoch, "step": self.step, "total": self.total}
        write_whole(
            self.folder / "progress.json", json.dumps(said | {"history": self.history}, indent=1)
        )
        needed = {file, f"best-{self.best.epoch}.safetensors"}
        for other in self.folder.glob("*.safetensors*"):
            if other.name not in needed:
                other.unlink()

    def _save_file(self, state: dict[str, Tensor], name: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with replacing(self.folder / name) as part:
            save_file({k: v.clone().contiguous() for k, v in state.items()}, part)


def _part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


@torch.no_grad()
def _put(module: nn.Module, values: dict[str, Tensor]) -> None:
    """Copy ``values`` into the module's state by name; the rest of it stays. KeyError: the module
    has no such name."""
    state = module.state_dict()
    for name, value in values.items():
        state[name].copy_(value)
