"""One stage of a run: its steps and scores, as often as it is run, and what it hands on."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samebut.errors import RecipeError
from samebut.learning import processes
from samebut.learning.features import require_room
from samebut.learning.journal import Journal, run_folder
from samebut.learning.model import CIRModel
from samebut.learning.plan import Plan, StagePlan, preprocess_of
from samebut.learning.recipe import Stage
from samebut.learning.runs import Average, Checkpoint, say, write_whole
from samebut.learning.tasks import Learner
from samebut.learning.validation import Sides, cached_sides, validate

LONGEST_GRADIENT = 1.0
HANDED_ON = "handed_on.json"
STATES_AT_ONCE = 3  # the new one, the one before it, and the best


def run_stage(
    model: CIRModel,
    planned: StagePlan,
    plan: Plan,
    folder: Path,
    device: torch.device,
    rest: CIRModel | None = None,
) -> CIRModel:
    """The stage, ``runs`` times from the weights of ``model``; returns what it hands on.

    That is the mean of all runs (Wortsman et al., Model soups, ICML 2022), mixed with ``rest``, or
    with what the stage began with, if ``mix`` says so: between two sets of weights of one training
    lie better ones than either, and less of what was known before is lost (Wortsman et al.,
    WiSE-FT, CVPR 2022). Such weights were scored after no epoch; ``handed_on.json`` has their
    scores.
    """
    stage = planned.stage
    if stage.runs == 1 and stage.mix == 1:
        return StageRun(model, planned, plan, folder, device).run()
    begun = copy.deepcopy(model)
    mean = StageRun(model, planned, plan, folder, device).run()
    for number in range(2, stage.runs + 1):
        again = StageRun(copy.deepcopy(begun), planned, plan, run_folder(folder, number), device)
        other = again.run()
        _blend(mean, other, 1 / number)
    _blend(mean, begun if rest is None else rest, 1 - stage.mix)
    with processes.first_alone():
        if processes.rank() == 0 and not (folder / HANDED_ON).exists():
            found = _scores(mean, planned, plan)
            scores = {name: round(value, 4) for name, value in found.items()}
            write_whole(folder / HANDED_ON, json.dumps(scores, indent=1))
            say(f"{folder.name} hands on: {plan.metric} {scores[plan.metric]:.2f}")
    return mean


@torch.no_grad()
def _blend(model: CIRModel, other: CIRModel, share: float) -> None:
    """Make ``share`` of the weights of ``model`` those of ``other``."""
    theirs = other.state_dict()
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.lerp_(theirs[name].to(value.device), share)


def _scores(
    model: CIRModel, planned: StagePlan, plan: Plan, sides: Sides | None = None
) -> dict[str, float]:
    """Scores of a model on the validation set as the stage sees pictures and composes."""
    return validate(
        model,
        plan.validation,
        plan.cache,
        preprocess=preprocess_of(plan.recipe, planned.stage.size),
        compose=planned.task.compose,
        sides=sides,
    )


class StageRun:
    """One run of a stage from wherever its folder says it is."""

    def __init__(
        self, model: CIRModel, planned: StagePlan, plan: Plan, folder: Path, device: torch.device
    ) -> None:
        self.planned, self.plan, self.folder = planned, plan, folder
        self.stage, self.task, self.recipe = planned.stage, planned.task, plan.recipe
        self.device = device
        torch.manual_seed(random.Random(f"{plan.recipe.seed} {folder.name}").getrandbits(48))
        self.task.start(model.to(device))
        heads = self.task.heads(model.encoder.dim)
        self.learner = Learner(model, self.stage.temperature, heads).to(device)
        for name, parameter in self.learner.model.named_parameters():
            parameter.requires_grad_(name.startswith(self.task.trains))
        self.average = Average(self.learner.model, self.recipe.ema, self.task.trains)
        self.optimizer = make_optimizer(self.learner, self.stage)
        self.checkpoint = Checkpoint(
            folder, self.learner, self.average, self.optimizer, self.task.trains
        )
        self.first = processes.rank() == 0
        self.frozen = not "encoder.".startswith(self.task.trains)  # pictures are encoded once
        self.sides: Sides | None = None
        self.saved = time.monotonic()

    def run(self) -> CIRModel:
        """Train from the last checkpoint on; returns the averaged model that the stage keeps."""
        at = self.checkpoint
        at.load()
        if at.finished:
            at.take(self.stage.keep)
            return self.average.model
        self._prepare()
        steps = self.planned.steps
        done = at.epoch * steps + at.step
        self.journal = Journal(self.folder, steps * self.stage.epochs, done, quiet=not self.first)
        try:
            while at.epoch < self.stage.epochs and not self._is_over():
                self._epoch()
        finally:
            self.journal.close()
            if not self.frozen:
                self.planned.corpus.pictures.release()
        with processes.first_alone():
            if self.first:
                at.end(self.stage.keep)
            else:
                at.load()
                at.take(self.stage.keep)
        return self.average.model

    def _prepare(self) -> None:
        corpus = self.planned.corpus
        size = STATES_AT_ONCE * self.checkpoint.size()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        require_room(self.folder.parent, size, f"checkpoints of {self.folder.name}")
        if not self.frozen:
            with processes.first_alone():
                _ = corpus.pictures  # decoded by one process, read by all
        if self.first:
            say(
                f"{self.folder.name}: {self.stage.task}, {len(corpus.files):,} pictures, "
                f"{len(corpus.queries):,} queries, {self.planned.steps:,} steps an epoch"
            )
        self.task.prepare(self.learner, self.folder, self.plan.cache)
        if self.frozen:
            self.sides = cached_sides(self.learner.model, self.plan.validation, self.plan.cache)

    def _is_over(self) -> bool:
        """Whether too many epochs have passed without a better score."""
        waited = self.checkpoint.epoch - self.checkpoint.best.epoch
        over = bool(self.stage.patience) and waited >= self.stage.patience
        return bool(processes.of_the_first(float(over), self.device))

    def _epoch(self) -> None:
        """The steps of an epoch that are still to be done, then its score."""
        at, planned = self.checkpoint, self.planned
        processes.same_everywhere(self.learner)
        self.task.begin(self.learner, at.epoch)
        dice = random.Random(f"{self.recipe.seed} {self.folder.name} {at.epoch}")
        batches = self.task.batches(dice)
        groups = iter(lambda: list(itertools.islice(batches, self.stage.accumulate)), [])
        self.learner.train()
        for group in itertools.islice(groups, at.step, planned.steps):
            step = at.epoch * planned.steps + at.step
            at.total += self._step(group, step)
            at.step += 1
            self._save_now_and_then()
        loss = at.total / planned.steps
        at.epoch, at.step, at.total = at.epoch + 1, 0, 0.0
        if self.first:
            self._score(loss)

    def _step(self, group: list[Any], step: int) -> float:
        """One update by a few batches; returns the mean of their losses."""
        chance = random.Random(
            f"{self.recipe.seed} {self.folder.name} step {step} {processes.rank()}"
        )
        torch.manual_seed(chance.getrandbits(48))
        rate = learning_rate(
            step, self.planned.steps * (self.stage.decay_epochs or self.stage.epochs), self.stage
        )
        self.optimizer.zero_grad(set_to_none=True)
        losses = []
        for batch in group:
            loss = self.task.loss(self.learner, self.task.part(batch)) / len(group)
            losses.append(loss.detach())
            loss.backward()
        processes.average_gradients(self.learner.parameters())
        length = nn.utils.clip_grad_norm_(self.learner.parameters(), LONGEST_GRADIENT)
        # Read together, and only here: whenever it is read a GPU runs dry.
        total, longest = torch.stack((torch.stack(losses).sum(), length)).tolist()
        self._finite(total, "loss", step)
        self._finite(longest, "gradient", step)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        self.optimizer.step()
        self.average.update(step)
        epoch = self.checkpoint.epoch
        self.journal.step(epoch, total, rate, self.stage.batch * len(group))
        return total

    def _finite(self, value: float, what: str, step: int) -> None:
        """RecipeError at a value that is no number; nothing of it was kept."""
        if math.isfinite(value):
            return
        raise RecipeError(
            f"{self.folder.name}: the {what} became {value} at step {step + 1:,} "
            f"(epoch {self.checkpoint.epoch + 1})",
            hint=f"Lower the stage's lr and give another --out; {self.folder} keeps its last "
            "good checkpoint.",
        )

    def _save_now_and_then(self) -> None:
        if not self.first or self.checkpoint.step == self.planned.steps:
            return
        if time.monotonic() - self.saved >= self.recipe.checkpoint_seconds:
            self.checkpoint.save()
            self.saved = time.monotonic()

    def _score(self, loss: float) -> None:
        """Score the averaged model, keep it if it is the best, and write a checkpoint."""
        at, metric = self.checkpoint, self.plan.metric
        scores = _scores(self.average.model, self.planned, self.plan, self.sides)
        row = {"epoch": at.epoch, "step": at.epoch * self.planned.steps, "loss": loss, **scores}
        at.history.append({name: round(value, 4) for name, value in row.items()})
        at.keep_best(scores[metric])
        at.save()
        self.saved = time.monotonic()
        self.journal.scores(at.history[-1], metric)


def make_optimizer(learner: Learner, stage: Stage) -> torch.optim.AdamW:
    """AdamW of what trains; vectors (biases, norms, the temperature) do not decay."""
    parameters = [p for p in learner.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = processes.device_of(learner).type == "cuda"
    return torch.optim.AdamW(groups, lr=stage.lr, betas=(0.9, 0.98), fused=fused)


def learning_rate(step: int, steps: int, stage: Stage) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    warm = max(1, int(stage.warmup * steps))
    if step < warm:
        return stage.lr * (step + 1) / warm
    return stage.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
