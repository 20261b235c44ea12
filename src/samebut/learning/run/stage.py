"""One stage of a run: its steps and scores, and the weights that go to the next stage."""

from __future__ import annotations

import copy
import itertools
import json
import math
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from samebut.errors import RecipeError
from samebut.learning import distributed
from samebut.learning.data.encoding import BatchEncoder, trains_weight
from samebut.learning.data.query_table import QueryTable
from samebut.learning.data.sampler import Batch
from samebut.learning.disk import require_room, write_whole
from samebut.learning.distributed import say
from samebut.learning.model.cir_model import CIRModel
from samebut.learning.objective.learner import COMPOSES, Learner, Objective
from samebut.learning.objective.negatives import Miner
from samebut.learning.recipe.schema import Stage
from samebut.learning.run.checkpoint import Average, StageCheckpoint
from samebut.learning.run.initial_model import preprocess_of
from samebut.learning.run.journal import Journal
from samebut.learning.run.plan import Plan, StagePlan
from samebut.learning.run.validation import Sides, cached_sides, validate

LONGEST_GRADIENT = 1.0
HANDED_ON = "handed_on.json"
STATES_AT_ONCE = 3  # on disk: the new one, the one before it, and the best


def run_stage(
    model: CIRModel, planned: StagePlan, plan: Plan, folder: Path, device: torch.device
) -> CIRModel:
    """Train the stage from the weights of ``model``; returns what it hands on.

    If ``handoff`` asks for it, the trained weights are interpolated with those that the stage began
    with (Wortsman et al., WiSE-FT, CVPR 2022). No epoch has scored such weights, so they are scored
    here, into ``handed_on.json``.
    """
    share = planned.stage.handoff.interpolate
    if share == 1:
        return StageRun(model, planned, plan, folder, device).run()
    began = copy.deepcopy(model)
    trained = StageRun(model, planned, plan, folder, device).run()
    interpolate(trained, began, 1 - share)
    with distributed.first_alone():
        if distributed.rank() == 0 and not (folder / HANDED_ON).exists():
            found = _scores(trained, planned, plan)
            scores = {name: round(value, 4) for name, value in found.items()}
            write_whole(folder / HANDED_ON, json.dumps(scores, indent=1))
            say(f"{folder.name} hands on: {plan.metric} {scores[plan.metric]:.2f}")
    return trained


@torch.no_grad()
def interpolate(model: CIRModel, other: CIRModel, share: float) -> None:
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
        preprocess=preprocess_of(plan.recipe, planned.rules.size),
        compose=COMPOSES[planned.stage.composes],
        sides=sides,
    )


class StageRun:
    """One stage, from its start or from the checkpoint in its folder."""

    def __init__(
        self, model: CIRModel, planned: StagePlan, plan: Plan, folder: Path, device: torch.device
    ) -> None:
        self.planned, self.plan, self.folder, self.device = planned, plan, folder, device
        self.stage, self.queries, self.recipe = planned.stage, planned.stage.queries, plan.recipe
        torch.manual_seed(random.Random(f"{plan.recipe.seed} {folder.name}").getrandbits(48))
        self.encoder = BatchEncoder(planned.corpus, planned.rules)
        objective = Objective(self.stage.loss, planned.corpus, model.to(device))
        compose = COMPOSES[self.stage.composes]
        self.learner = Learner(model, objective, self.encoder, compose).to(device)
        trains = self.stage.trains
        for name, parameter in self.learner.model.named_parameters():
            parameter.requires_grad_(trains_weight(trains, name))
        self.average = Average(self.learner.model, self.recipe.ema, trains)
        self.parallel = distributed.parallel(self.learner)
        self.optimizer = make_optimizer(self.learner, self.stage)
        self.checkpoint = StageCheckpoint(
            folder, self.learner, self.average, self.optimizer, trains
        )
        self.miner = Miner(self.queries.mined, folder)
        self.first = distributed.rank() == 0
        self.live_pictures = not planned.rules.caches("image")
        self.sides: Sides | None = None
        self.saved = time.monotonic()

    def run(self) -> CIRModel:
        """Train from the last checkpoint on; returns the averaged model that the stage keeps."""
        at, keep = self.checkpoint, self.stage.handoff.keep
        at.load()
        if at.finished:
            at.take(keep)
            return self.average.model
        self._prepare()
        steps = self.planned.steps
        done = at.epoch * steps + at.step
        self.journal = Journal(self.folder, steps * self.queries.epochs, done, quiet=not self.first)
        try:
            while at.epoch < self.queries.epochs and not self._is_over():
                self._epoch()
        finally:
            self.journal.close()
            if self.live_pictures:
                self.planned.corpus.pictures.release()
        with distributed.first_alone():
            if self.first:
                at.end(keep)
            else:
                at.load()
                at.take(keep)
        return self.average.model

    def _prepare(self) -> None:
        corpus, sampler = self.planned.corpus, self.planned.sampler
        size = STATES_AT_ONCE * self.checkpoint.size()
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        require_room(self.folder.parent, size, f"checkpoints of {self.folder.name}")
        if self.live_pictures:
            with distributed.first_alone():
                _ = corpus.pictures  # one process decodes, the others read its files
        queries = f", {sampler.size:,} queries an epoch" if self.stage.has_queries else ""
        say(
            f"{self.folder.name}: {self.stage.preset or self.stage.trains}, "
            f"{len(corpus.files):,} pictures{queries}, {self.planned.steps:,} steps an epoch"
        )
        self.encoder.prepare(self.learner.model, sampler.given, self.plan.cache)
        if not self.live_pictures:
            self.sides = cached_sides(
                self.learner.model,
                self.plan.validation,
                self.plan.cache,
                texts=self.planned.rules.caches("text"),
            )

    def _is_over(self) -> bool:
        """Whether too many epochs have passed without a better score."""
        waited = self.checkpoint.epoch - self.checkpoint.best.epoch
        patience = self.stage.handoff.patience
        over = bool(patience) and waited >= patience
        return bool(distributed.of_the_first(float(over), self.device))

    def _epoch(self) -> None:
        """The steps of an epoch that are still to be done, then its score."""
        at, planned = self.checkpoint, self.planned
        distributed.same_everywhere(self.learner)
        batches, table = self._batches(at.epoch)
        groups = iter(lambda: list(itertools.islice(batches, self.queries.accumulate)), [])
        self.learner.train()
        for group in itertools.islice(groups, at.step, planned.steps):
            step = at.epoch * planned.steps + at.step
            at.total += self._step(group, table, step)
            at.step += 1
            self._save_now_and_then()
        loss = at.total / planned.steps
        at.epoch, at.step, at.total = at.epoch + 1, 0, 0.0
        if self.first:
            self._score(loss)

    def _batches(self, epoch: int) -> tuple[Iterator[Batch], QueryTable]:
        """The batches of an epoch, and the table of queries that they index."""
        rng, sampler = random.Random(f"{self._chance} {epoch}"), self.planned.sampler
        if not self.stage.has_queries:
            return sampler.batches_of_pictures(rng), QueryTable.of((), {})
        drawn = sampler.epoch(rng)
        mined = self.miner.negatives(self.learner, drawn.table, epoch)
        return drawn.batches(self.queries.batch, mined), drawn.table

    @property
    def _chance(self) -> str:
        """The seed of all random numbers of the stage."""
        return f"{self.recipe.seed} {self.folder.name}"

    def _step(self, group: list[Batch], table: QueryTable, step: int) -> float:
        """One update by a few batches; returns the mean of their losses."""
        rng = random.Random(f"{self._chance} step {step} {distributed.rank()}")
        torch.manual_seed(rng.getrandbits(48))
        rate = learning_rate(step, self.planned.steps * self.queries.epochs, self.stage)
        self.optimizer.zero_grad(set_to_none=True)
        with distributed.gradients_kept_apart(self.parallel):
            losses = [self._gradients(batch, table, len(group)) for batch in group[:-1]]
        losses.append(self._gradients(group[-1], table, len(group)))
        length = nn.utils.clip_grad_norm_(self.learner.parameters(), LONGEST_GRADIENT)
        # Both in one transfer, and only here: each one makes the CPU wait for the GPU, which then
        # idles.
        total, longest = torch.stack((torch.stack(losses).sum(), length)).tolist()
        self._require_finite(total, "loss", step)
        self._require_finite(longest, "gradient", step)
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = rate
        self.optimizer.step()
        self.average.update(step)
        epoch = self.checkpoint.epoch
        self.journal.step(epoch, total, rate, self.queries.batch * len(group))
        return total

    def _gradients(self, batch: Batch, table: QueryTable, parts: int) -> Tensor:
        """Add gradients of a batch, one of ``parts`` of a step; returns its share of the loss."""
        loss: Tensor = self.parallel(batch, table) / parts
        loss.backward()
        return loss.detach()

    def _require_finite(self, value: float, what: str, step: int) -> None:
        """RecipeError if the value is infinite or NaN; raised before the weights are updated."""
        if math.isfinite(value):
            return
        raise RecipeError(
            f"{self.folder.name}: the {what} became {value} at step {step + 1:,} "
            f"(epoch {self.checkpoint.epoch + 1})",
            hint=f"Lower the stage's lr and train with another --out; {self.folder} keeps the last "
            "checkpoint before that.",
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
    """AdamW of what trains; vectors (biases, norms, the scale) do not decay."""
    parameters = [p for p in learner.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": stage.weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = distributed.device_of(learner).type == "cuda"
    return torch.optim.AdamW(groups, lr=stage.lr, betas=(0.9, 0.98), fused=fused)


def learning_rate(step: int, steps: int, stage: Stage) -> float:
    """Linear warm-up, then half a cosine down to nothing."""
    warm = max(1, int(stage.warmup * steps))
    if step < warm:
        return stage.lr * (step + 1) / warm
    return stage.lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))
